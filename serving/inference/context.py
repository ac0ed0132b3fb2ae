"""Who asks, and how: what a door knows of a request beside its bytes. Policies read it; nothing here decides."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from serving.core.model_spec import ModelSpec

Door = Literal["REST", "GRPC"]
"""Which door a request came in by, in the words of the metrics."""

REQUEST_ID = "x-request-id"


@dataclass(slots=True)
class RequestContext:
    """One request's surroundings; on a REST connection those of every request with the same head.

    ``protocol`` is that of its messages, such as ``tfs``; ``peer`` is the other end as the transport names it, maybe
    empty. ``timeout_ms`` is what is left until the deadline, 0 for none. ``in_event_thread`` says that the caller
    serves others as well, so that nothing may take long in it.
    """

    door: Door
    peer: str = ""
    fields: Mapping[str, str] | Iterable[tuple[str, str | bytes]] = ()
    timeout_ms: int = 0
    in_event_thread: bool = False
    protocol: str = "tfs"

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, or metadata, by name in lower case. The last of a name counts; binary ones are left out."""
        if not isinstance(self.fields, Mapping):
            self.fields = {name.lower(): value for name, value in self.fields if isinstance(value, str)}
        return self.fields

    @property
    def request_id(self) -> str:
        """The id that the client or a proxy gave the request; empty without one."""
        return self.headers.get(REQUEST_ID, "")


Admit = Callable[[RequestContext, ModelSpec, int], None]
"""Decides whether a request may be made: for this address, with a message of so many bytes. Raises ServingError if not.

Asked once for each request of every door and protocol, before any of its tensors is decoded. What asks for no model has
an address without a name; over REST, where the body names the signature, the address has none.
"""
