"""The way of a request where requests are limited or records of them are kept; without either nothing comes here.

What a request holds and what is known of it end together, with what it counts into.
"""

from concurrent.futures import Future
from functools import partial
from typing import Any

from serving.core.handle import Lease
from serving.core.model_spec import ModelSpec
from serving.core.plans import Encode, Plan
from serving.core.signature import DEFAULT_SIGNATURE_NAME
from serving.core.tensor import Tensor
from serving.errors import ServingError
from serving.inference.answered_by import AnsweredBy
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.limits import Limiter, Place
from serving.inference.long_call import Gone, LongCall
from serving.inference.operations import Form
from serving.inference.requests import Bind, Requests, elsewhere, spec_of
from serving.telemetry.series import Series


class Entrance(Requests):
    """``limiter`` has a place for each request that may be in flight; ``engines`` knows who has run a call."""

    def __init__(self, *parts: Any, limiter: Limiter | None, engines: AnsweredBy | None = None) -> None:
        super().__init__(*parts)
        self._limiter = limiter
        self._engines = engines
        self._kept = {}  # what a request counts into is its own here

    def begin(
        self,
        bind: Bind,
        address: ModelSpec | None,
        form: Form,
        payload: bytes,
        context: RequestContext,
        began: float | None = None,
        *,
        limited: bool = False,
    ) -> Reply:
        """As everywhere, once there is a place for the request."""
        if began is not None:
            return self._go_on(bind, address, form, payload, context, began, limited=limited)
        began = self._metrics.clock()
        if context.record is not None:
            bind = partial(self._noted, bind, context)
        place = self._enter(address, form, payload, context)
        if place is None or not place.waits:
            limited = context.in_event_thread
            return self._go_on(bind, address, form, payload, context, began, limited=limited)
        came, failed = began, partial(self._refused, address, form, payload, context)

        def do(gone: Gone) -> bytes | Future[bytes]:
            try:
                place.wait(gone)
            except ServingError as error:
                failed(error)
                raise
            if context.record is not None:
                context.record.waited_seconds = self._metrics.clock() - came
            return elsewhere(self._go_on(bind, address, form, payload, context, came, limited=True))

        return LongCall(do, place, failed)

    def _enter(self, address: ModelSpec | None, form: Form, payload: bytes, context: RequestContext) -> Place | None:
        """Take a place, or one in the queue. Raises ServingError if a policy or a limit says so."""
        try:
            spec = spec_of(address, form, payload)
            if context.record is not None:
                context.record.model, context.record.api = spec.name, form.api
            if self._admit is not None:
                self._admit(context, spec, len(payload))
            place = None if self._limiter is None else self._limiter.enter(context, spec.name)
        except BaseException as error:
            self._refused(address, form, payload, context, error)
            raise
        context.place = place
        return place

    def _go_on(
        self,
        bind: Bind,
        address: ModelSpec | None,
        form: Form,
        payload: bytes,
        context: RequestContext,
        began: float,
        *,
        limited: bool,
    ) -> Reply:
        try:
            return super().begin(bind, address, form, payload, context, began, limited=limited)
        except BaseException as error:
            end(context, error)  # also where nothing was counted
            raise

    def _noted(
        self, bind: Bind, context: RequestContext, form: Form, lease: Lease, address: ModelSpec, document: Any
    ) -> tuple[Plan, list[Tensor], Encode]:
        """What ``bind`` gives, once the record knows the version and the signature."""
        bound = bind(form, lease, address, document)
        if context.record is not None:
            name = getattr(document, "signature_name", "") or DEFAULT_SIGNATURE_NAME
            context.record.bound(lease.id, address.label, name, self._metrics.clock())
        return bound

    def _counting(self, form: Form, context: RequestContext, model: str) -> Series:
        return Accounted(super()._counting(form, context, model), context, self._engines)

    def _refused(
        self, address: ModelSpec | None, form: Form, payload: bytes, context: RequestContext, error: BaseException
    ) -> None:
        super()._refused(address, form, payload, context, error)
        end(context, error)


def end(context: RequestContext, error: BaseException | None) -> None:
    """The request has its answer, or ``error`` instead: it holds nothing any more."""
    place, context.place = context.place, None
    if place is not None:
        place.leave(succeeded=error is None)
    if error is not None and context.record is not None:
        context.record.failed(error)


class Accounted(Series):
    """One request's way to count into ``series``."""

    __slots__ = ("_context", "_engines", "_series")

    def __init__(self, series: Series, context: RequestContext, engines: AnsweredBy | None) -> None:
        self.clock = series.clock
        self._series = series
        self._context = context
        self._engines = engines

    def ran_and_answered(self, run_seconds: float, seconds: float) -> None:
        """As the series'."""
        self._series.ran_and_answered(run_seconds, seconds)
        self._note_run(run_seconds)
        self._note_answer(seconds)
        end(self._context, None)

    def ran(self, seconds: float) -> None:
        """As the series'."""
        self._series.ran(seconds)
        self._note_run(seconds)

    def answered(self, seconds: float) -> None:
        """As the series'."""
        self._series.answered(seconds)
        self._note_answer(seconds)
        end(self._context, None)

    def failed(self, error: BaseException) -> None:
        """As the series'."""
        self._series.failed(error)
        end(self._context, error)

    def _note_answer(self, seconds: float) -> None:
        if self._context.record is not None:
            self._context.record.latency_seconds = seconds

    def _note_run(self, seconds: float) -> None:
        record = self._context.record
        if record is not None:
            record.run_seconds += seconds
            if self._engines is not None:
                record.engine = self._engines.take()
