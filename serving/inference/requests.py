"""A request for a model, from its bytes to the call: admitted, read, its version held, bound, counted, logged.

``service.py`` says what the calls are; everything that is the same for all of them is here, once.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from serving.core.handle import Handle, Lease
from serving.core.lifecycle import NotLoadedError
from serving.core.manager import Manager
from serving.core.model_spec import ModelSpec
from serving.core.plans import Encode, Plan
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from serving.inference import logged, messages
from serving.inference.call import Call, Reply, run_at_once
from serving.inference.context import NO_MODEL, Admit, RequestContext
from serving.inference.long_call import Gone, LongCall
from serving.inference.operations import Form
from serving.inference.placement import TooLongHereError, Workers
from serving.telemetry.series import UNCOUNTED, Entrypoint, Series
from serving.telemetry.serving_metrics import ServingMetrics

if TYPE_CHECKING:
    from serving.inference.first_calls import FirstCalls

Bind = Callable[[Any, Lease, ModelSpec, Any], tuple[Plan, list[Tensor], Encode]]
"""The form, the version that answers, the address and what was read, as the call to make."""


class Requests:
    """``admit`` is asked for each before any of its tensors is decoded; None admits all.

    ``first_calls`` is what waits for models with --lazy_load.
    """

    def __init__(
        self,
        manager: Manager,
        metrics: ServingMetrics,
        request_log: logged.RequestLog,
        workers: Workers,
        admit: Admit | None = None,
        first_calls: "FirstCalls | None" = None,
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._request_log = request_log
        self._workers = workers
        self.interpreter = workers.interpreter
        """As the workers': held while something long is read outside of event threads."""
        self._admit = admit
        self._first_calls = first_calls
        self._kept: Mapping[tuple[Entrypoint, str, str], Series] = metrics.kept

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
        """``payload``, in ``form`` and for ``address``, or the one in it, as the call that ``bind`` makes of it.

        ``began`` is when a request came that was admitted then; it may take long now unless that is ``limited``. In an
        event thread a model that is short is called here, unless its calls are made with others: then the body is
        all that is left of the request.
        """
        metrics, late, series = self._metrics, began is not None, UNCOUNTED
        if address is not None:
            key = context.door, form.api, address.name
            series = self._kept.get(key) or self._counting(form, context, address.name)
        try:
            if began is None:
                began, limited = metrics.clock(), context.in_event_thread
                if self._admit is not None:
                    self._ask(self._admit, address, form, payload, context)
            document = form.read(payload, limited)
            if address is None:  # what is no message at all is not counted, as in TensorFlow Serving
                address = document.spec or NO_MODEL
                key = context.door, form.api, address.name
                series = self._kept.get(key) or self._counting(form, context, address.name)
                if not address.name:
                    raise messages.unnamed(document)
            lease = self._manager.hold(address.name, address.version, address.label)
            try:
                plan, tensors, encode = bind(form, lease, address, document)
                outputs: bytes | list[Tensor] | None = None
                may_log = address.name in self._request_log.models
                if limited and not (plan.joins or may_log) and plan.run.inline_for(tensors):
                    outputs = run_at_once(plan, tensors, encode, context.timeout_ms, series, began)
                if isinstance(outputs, bytes):
                    lease.give_back()
                    return outputs
                timeout_ms = self._left(context, began) if late else context.timeout_ms
                call = Call(plan, tensors, encode, Handle(lease), timeout_ms, series, began, self._workers, context)
                call.outputs = outputs
                if may_log and self._request_log.draws(lease.id):
                    call.log = logged.keeper(self._request_log, form, call, address, document, payload, context.door)
            except BaseException:
                lease.give_back()
                raise
            return call
        except (TooLongHereError, NotLoadedError) as reason:
            return self._later(reason, bind, address, form, payload, context, began, series)
        except BaseException as error:
            series.failed(error)
            raise

    def tried(self, bind: Bind, lease: Lease, form: Form, payload: bytes, timeout_ms: int) -> Future[bytes]:
        """The answer to a request that nobody has sent, on a version that is held: it is neither counted nor logged.

        Raises ServingError for what cannot be called. Who cancels it waits no more; a run that has begun goes on.
        """
        handle = lease.take()
        if handle is None:
            raise ServingError(Code.CANCELLED, f"Servable {lease.id} is being unloaded")
        try:
            plan, tensors, encode = bind(form, lease, NO_MODEL, form.read(payload, False))
        except BaseException:
            handle.release()
            raise
        return Call(plan, tensors, encode, handle, timeout_ms, UNCOUNTED, UNCOUNTED.clock(), self._workers).elsewhere()

    def _counting(self, form: Form, context: RequestContext, model: str) -> Series:
        """What a request of this kind of message counts into."""
        return self._metrics.series(context.door, form.api, model) if form.api else UNCOUNTED

    def _later(
        self,
        reason: TooLongHereError | NotLoadedError,
        bind: Bind,
        address: ModelSpec | None,
        form: Form,
        payload: bytes,
        context: RequestContext,
        began: float | None,
        series: Series,
    ) -> LongCall:
        """What is too long for an event thread to read, or has to wait for its model."""
        if isinstance(reason, NotLoadedError):
            begin = partial(self.begin, bind, address, form, payload, context, began)
            return self.when_loaded(reason, begin, context, series.failed)

        def do(gone: Gone) -> bytes | Future[bytes]:
            with self._workers.interpreter:
                call = self.begin(bind, address, form, payload, context, began)
            return elsewhere(call)

        refused = series.failed if address is not None else partial(self._refused, address, form, payload, context)
        return LongCall(do, self._workers, refused)

    def when_loaded(
        self,
        missing: NotLoadedError,
        begin: Callable[[], Reply],
        context: RequestContext,
        failed: Callable[[BaseException], None],
    ) -> LongCall:
        """A request for a model that --lazy_load has not loaded."""
        if self._first_calls is None:
            raise missing
        timeout_ms = 0 if context.door == "REST" else context.timeout_ms  # as for the run, below
        return self._first_calls.call(missing, begin, timeout_ms, failed)

    def _left(self, context: RequestContext, began: float) -> int:
        """The time limit of a call that has waited; over REST it bounds the run alone, as in TensorFlow Serving."""
        if context.timeout_ms <= 0 or context.door == "REST":
            return context.timeout_ms
        return max(1, context.timeout_ms - int((self._metrics.clock() - began) * 1000))

    def _ask(
        self, admit: Admit, address: ModelSpec | None, form: Form, payload: bytes, context: RequestContext
    ) -> None:
        try:
            admit(context, spec_of(address, form, payload), len(payload))
        except ServingError as error:
            if address is None:  # else it is counted by its address
                self._refused(address, form, payload, context, error)
            raise

    def _refused(
        self, address: ModelSpec | None, form: Form, payload: bytes, context: RequestContext, error: BaseException
    ) -> None:
        """Count a message that nobody has read."""
        if form.api and (address is not None or form.peek is not None):
            name = spec_of(address, form, payload).name
            self._metrics.series(context.door, form.api, name).failed(error)


def spec_of(address: ModelSpec | None, form: Form, payload: bytes) -> ModelSpec:
    """What a request is for: ``address``, or what a message that nobody has read yet says at its beginning."""
    return address or (form.peek(payload) if form.peek is not None else None) or NO_MODEL


def elsewhere(reply: Reply) -> bytes | Future[bytes]:
    """What is left of a request that is not in an event thread any more.

    On other threads unless it is short: a run that does not end must not hold one of the few workers.
    """
    if isinstance(reply, bytes):
        return reply
    return reply.here() if isinstance(reply, Call) and reply.inline and not reply.joins else reply.elsewhere()
