"""Compare: one request through two versions, one after the other, each as an ordinary request for Predict.

What may be asked, what is counted and what is refused is decided where every request is; nothing is decided here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import BoundedSemaphore
from time import perf_counter
from typing import Any, NamedTuple

from serving.codecs.json.comparison import Side
from serving.core.model_spec import ModelSpec
from serving.core.plans import Encode, Plan, Plans
from serving.core.servable import ServableId
from serving.core.signature import DEFAULT_SIGNATURE_NAME, Signature
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.inference.long_call import Gone, LongCall, waited_for
from serving.inference.operations import InferForm, PredictForm
from serving.inference.requests import elsewhere
from serving.inference.service import Service

MOST = 16
"""Comparisons at a time: each has a thread that waits, and holds its body."""

_OF_THE_CALLER = frozenset({Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.CANCELLED})
"""What is wrong with who asks, and not with a version: then there is no answer at all."""

Write = Callable[[Sequence[Side]], bytes]
"""Makes the body of the answer."""


class _Document(NamedTuple):
    """A request as it was read, with what the request layer looks at."""

    read: Any
    signature_name: str
    spec: None = None
    timeout_ms: int = 0


@dataclass(slots=True)
class _Answered:
    """What one version has given."""

    version: int | None = None
    outputs: Mapping[str, Tensor] | None = None


class Comparisons:
    """Comparisons of what ``service`` answers, as ``write`` writes them. ``clock`` gives seconds."""

    def __init__(self, service: Service, write: Write, clock: Callable[[], float] = perf_counter) -> None:
        self._service = service
        self._write = write
        self._clock = clock
        self._room = BoundedSemaphore(MOST)

    def begin(
        self, addresses: Sequence[ModelSpec], form: PredictForm, payload: bytes, context: RequestContext
    ) -> LongCall:
        """The versions at ``addresses``, of one model, side by side, with an error for each that has not answered.

        ServingError if none has, or if who asks may not; RESOURCE_EXHAUSTED if there are too many at a time.
        """
        if context.record is not None:
            context.record.model = addresses[0].name
        if not self._room.acquire(blocking=False):
            raise ServingError(
                Code.RESOURCE_EXHAUSTED, f"{MOST} comparisons are under way; expected fewer at a time: try again"
            )

        def do(gone: Gone) -> bytes:
            try:
                return self._write(self._sides(addresses, form, payload, context, gone))
            finally:
                self._room.release()

        return LongCall(do, failed=lambda _: self._room.release())

    def _sides(
        self, addresses: Sequence[ModelSpec], form: PredictForm, payload: bytes, context: RequestContext, gone: Gone
    ) -> Sequence[Side]:
        sides, errors = [], []
        for address in addresses:
            try:
                sides.append(self._side(address, form, payload, context, gone))
            except ServingError as error:
                if error.code in _OF_THE_CALLER:
                    raise
                errors.append(error)
                sides.append(Side(version=address.version, label=address.label, error=error.text))
        if len(errors) == len(sides):
            texts = dict.fromkeys(error.message for error in errors)
            raise errors[0] if len(texts) == 1 else ServingError(errors[0].code, "; ".join(texts))
        return sides

    def _side(self, address: ModelSpec, form: PredictForm, payload: bytes, context: RequestContext, gone: Gone) -> Side:
        # Of its own: what a request holds, and what is known of it, is that of one version.
        own = replace(context, in_event_thread=False, record=None, place=None)
        found, began = _Answered(), self._clock()
        ask = self._service.inferring(address, _noting(form, found))
        try:
            with self._service.interpreter:  # where it may be long to read
                reply = ask(payload, own)
        finally:
            context.principal = own.principal
        given = elsewhere(reply)
        body = given if isinstance(given, bytes) else waited_for(given, gone)
        seconds = self._clock() - began
        return Side(version=found.version, label=address.label, body=body, outputs=found.outputs or {}, seconds=seconds)


def _noting(form: PredictForm, found: _Answered) -> InferForm:
    """The same form of a request, whose answer is noted in ``found``."""

    def read(payload: bytes, limited: bool) -> _Document:
        document = form.read(payload, limited)
        return _Document(document, document.signature_name)

    def bind(
        document: _Document, plans: Plans, signature: Signature, servable_id: ServableId
    ) -> tuple[Plan, list[Tensor], Encode]:
        name = document.signature_name or DEFAULT_SIGNATURE_NAME
        key, plan, tensors = form.bind(document.read, plans, name, signature)
        write = form.encoder(key, plan, servable_id, name)

        def encode(outputs: Mapping[str, Tensor]) -> bytes:
            found.version, found.outputs = servable_id.version, outputs
            return write(outputs)

        return plan, tensors, encode

    return InferForm(api=form.api, log_type=form.log_type, read=read, missing=form.missing, bind=bind)
