"""The policy: who asks, by key or by certificate, and whether that principal may. It reads no file and keeps no key."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from serving.access.keys import Holder, Keys
from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.inference.principal import Principal, Right

AUTHORIZATION, API_KEY = "authorization", "x-api-key"
_SCHEME = "bearer"
_EXPECTED = "expected a key, as authorization: Bearer KEY or as x-api-key: KEY"
_LONGEST_SHOWN = 256

_WITHOUT_MODEL = frozenset((Right.ADMIN, Right.METRICS))
"""Rights to what is for no model; an entry with ``models`` has none to reload."""


class Policy:
    """``admit`` decides by ``keys``, which may be replaced at any time: the next request is decided by the new ones."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = time.time) -> None:
        self.keys = keys
        self._clock = clock

    def admit(self, context: RequestContext, address: ModelSpec, size: int) -> None:
        """Set the principal of a request, or refuse it: UNAUTHENTICATED, PERMISSION_DENIED.

        Requests of one connection may share a context, so each is decided anew.
        """
        right = context.right
        if right is None:
            return
        context.principal = None  # whatever becomes of this one, of the request before
        holder = self._holder(context)
        principal = holder.principal
        if holder.expires_at is not None and holder.expires_at <= self._clock():
            until = datetime.fromtimestamp(holder.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            raise _unknown(f"The credential of {principal.name} expired at {until}")
        context.principal = principal
        if right not in principal.rights:
            raise _denied(f"{principal.name} lacks the right {right.value}, which this request needs")
        if principal.models is not None and right not in _WITHOUT_MODEL:
            _check_model(principal, right, address.name)

    def _holder(self, context: RequestContext) -> Holder:
        sent = context.values(AUTHORIZATION, API_KEY)
        if sent:
            key = _key(*sent[0])
            if len(sent) > 1 and any(_key(*other) != key for other in sent[1:]):
                raise _unknown("The request has several keys; expected one")
            holder = self.keys.of_key(key)
            if holder is None:
                raise _unknown("The key of the request is unknown")
            return holder
        if not context.certificate_names:
            raise _unknown(f"The request has no key; {_EXPECTED}")
        holders = self.keys.of_certificate(context.certificate_names)
        if not holders:
            raise _unknown(f"The request has no key, and the client's certificate is unknown; {_EXPECTED}")
        if len(holders) > 1:
            names = " and ".join(each.principal.name for each in holders)
            raise _unknown(f"The client's certificate is that of {names}; expected one of them, or a key")
        return holders[0]


def _key(header: str, value: str) -> str:
    """The key in a header. UNAUTHENTICATED if it has none."""
    if header == API_KEY:
        key = value.strip()
        if not key:
            raise _unknown(f"x-api-key is empty; {_EXPECTED}")
        return key
    scheme, _, key = value.strip().partition(" ")
    if scheme.lower() != _SCHEME or not (key := key.strip()):
        # The scheme is not shown: it is the key, where somebody forgot to write one.
        raise _unknown(f"authorization has another form than Bearer KEY; {_EXPECTED}")
    return key


def _check_model(principal: Principal, right: Right, model: str) -> None:
    if not model:
        if right is Right.READ:
            return  # the list of models, which has only its own; reflection
        raise _denied(f"The request names no model, and {principal.name} may use some alone")
    if not principal.may_use(model):
        raise _denied(f"{principal.name} may not use model {model[:_LONGEST_SHOWN]}")


def _unknown(text: str) -> ServingError:
    return ServingError(Code.UNAUTHENTICATED, text)


def _denied(text: str) -> ServingError:
    return ServingError(Code.PERMISSION_DENIED, text)
