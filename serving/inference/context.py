"""Who asks, and how: what a door knows of a request beside its bytes. Policies read it; nothing here decides."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from serving.core.model_spec import ModelSpec
from serving.inference.principal import Principal, Right
from serving.inference.record import RequestRecord

Door = Literal["REST", "GRPC"]
"""Which door a request came in by, in the words of the metrics."""

REQUEST_ID = "x-request-id"

NO_MODEL = ModelSpec("")
"""The address of what asks for no model."""

_PREDICT = Right.PREDICT

_MAPPINGS = (MappingProxyType, dict, Mapping)
_COLLECTIONS = (tuple, list, Collection)
"""What fields are most often comes first: to ask an abstract class takes as long as to hash a key."""

_MAPPED = "ipv6:[::ffff:"


class Holds(Protocol):
    """What a request holds while it is in flight."""

    def leave(self, *, succeeded: bool) -> None:
        """Give it back."""
        ...


@dataclass
class RequestContext:
    """One request's surroundings; on a REST connection those of every request with the same head.

    ``protocol`` is that of its messages, such as ``tfs``; ``other_end`` is the peer as the transport names it, maybe
    empty; ``shown`` gives the names in the certificate that it has shown. ``timeout_ms`` is what is left until the
    deadline, 0 for none. ``in_event_thread`` says that the caller serves others as well, so that nothing may take long.
    """

    door: Door
    other_end: str = ""
    fields: Mapping[str, str] | Iterable[tuple[str, str | bytes]] = field(default=(), repr=False)
    timeout_ms: int = 0
    in_event_thread: bool = False
    protocol: str = "tfs"
    shown: Callable[[], tuple[str, ...]] | None = None
    right: Right | None = _PREDICT
    """What the request asks for, None for what everybody may."""
    principal: Principal | None = None
    """Who asks, once a policy knows."""
    record: RequestRecord | None = None
    """What is kept of the request, if anybody wants to be told of it."""
    place: Holds | None = None
    """What it holds of those who may be in flight, where that is limited."""
    _by_name: Mapping[str, str] = field(init=False, repr=False, compare=False)

    @property
    def peer(self) -> str:
        """The other end in the words of the door; that of IPv4 is the same whether the listener is of IPv6 or not."""
        end = self.other_end
        if end.startswith(_MAPPED):
            host, _, port = end.removeprefix(_MAPPED).partition("]:")
            return f"ipv4:{host}:{port}"
        return end.replace("%5B", "[").replace("%5D", "]")

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """The names in the client's certificate: DNS, URI and mail, then the common name, each once.

        Empty unless the door asks for certificates: those that are here were verified.
        """
        return tuple(dict.fromkeys(self.shown())) if self.shown is not None else ()

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, or metadata, by name in lower case. The last of a name counts; binary ones are left out."""
        if isinstance(self.fields, _MAPPINGS):
            return self.fields
        try:
            return self._by_name
        except AttributeError:  # nobody has asked yet, and most requests are never asked
            self._by_name = {name.lower(): value for name, value in self._pairs() if isinstance(value, str)}
            return self._by_name

    def values(self, *names: str) -> list[tuple[str, str]]:
        """Every header of these ``names``, which are in lower case, with its value; one that is there twice, twice."""
        fields = self.fields
        if isinstance(fields, _MAPPINGS):
            return [(name, fields[name]) for name in names if name in fields]
        pairs = [(given.lower(), value) for given, value in self._pairs()]
        return [(name, value) for name, value in pairs if name in names and isinstance(value, str)]

    def _pairs(self) -> Iterable[tuple[str, str | bytes]]:
        if isinstance(self.fields, _MAPPINGS):
            return self.fields.items()
        pairs = self.fields
        if not isinstance(pairs, _COLLECTIONS):
            self.fields = pairs = tuple(pairs)  # they can be gone through once only
        return pairs

    @property
    def request_id(self) -> str:
        """The id that the client or a proxy gave the request; empty without one."""
        return self.headers.get(REQUEST_ID, "")


_new = object.__new__


def of_event_thread(
    door: Door,
    peer: str,
    fields: Mapping[str, str] | Iterable[tuple[str, str | bytes]],
    timeout_ms: int,
    shown: Callable[[], tuple[str, ...]] | None = None,
) -> RequestContext:
    """What the constructor makes for an event thread, which has one made for each call, in a third of the time.

    What it does not set is the class's: the defaults.
    """
    context = _new(RequestContext)
    context.door = door
    context.other_end = peer
    context.fields = fields
    context.timeout_ms = timeout_ms
    context.in_event_thread = True
    if shown is not None:
        context.shown = shown
    return context


Admit = Callable[[RequestContext, ModelSpec, int], None]
"""Decides whether a request may be made: for this address, with a message of so many bytes. Raises ServingError if not.

Asked once for each request of every door and protocol, before any of its tensors is decoded. What asks for no model has
an address without a name; over REST, where the body names the signature, the address has none. ``context.right`` says
what is asked for: the page of metrics is asked for like everything else.
"""
