"""The request layer: the one place that admits, acquires a version, binds, counts, logs and releases.

Every way in, and warm-up, calls it. Protocols only read requests into its values, and write answers out of them.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

from serving.codecs.protobuf.prediction_log import LogType
from serving.core.handle import Handle
from serving.core.manager import Manager
from serving.core.model_spec import ModelSpec
from serving.core.plans import Encode, Plan, Plans
from serving.core.servable import ServableId, ServableState
from serving.core.signature import DEFAULT_SIGNATURE_NAME
from serving.core.tensor import Tensor
from serving.errors import ServingError, invalid_argument
from serving.inference import logged, messages, metadata, multi_inference, status
from serving.inference.call import Answered, Call
from serving.inference.classify import CLASSIFY
from serving.inference.context import Admit, Door, RequestContext
from serving.inference.long_call import Gone, LongCall
from serving.inference.messages import UNNAMED, ExamplesMessage, Recorded
from serving.inference.operations import ExamplesForm, Form, Operation, PredictForm, check_method, examples_tensor
from serving.inference.placement import TooLongHereError, Workers
from serving.inference.regress import REGRESS
from serving.inference.reload import Apply, reload
from serving.telemetry.serving_metrics import UNCOUNTED, ServingMetrics

Bind = Callable[[Any, Handle, ModelSpec, Any], tuple[Plan, list[Tensor], Encode]]
"""The form, the version that answers, the address and what was read, as the call to make."""

NO_MODEL = ModelSpec("")
"""The address of what asks for no model."""


class Service:
    """What every protocol calls. ``apply`` puts a configuration into effect.

    ``admit`` is asked for each request before any of its tensors is decoded; None admits all. ``check_method_names`` is
    --enable_signature_method_name_check. An ``address`` of None is the one that the message itself has.
    """

    def __init__(
        self,
        manager: Manager,
        metrics: ServingMetrics,
        request_log: logged.RequestLog,
        workers: Workers,
        apply: Apply,
        *,
        check_method_names: bool = False,
        admit: Admit | None = None,
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._request_log = request_log
        self._workers = workers
        self._apply = apply
        self._check = check_method_names
        self._admit = admit

    def predict(
        self, address: ModelSpec | None, form: PredictForm, payload: bytes, context: RequestContext
    ) -> Call | LongCall:
        """Named tensors in, named tensors out (docs/compatibility.md, "Predict"). Raises ServingError, as all below."""
        return self._begin(self._predict, address, form, payload, context)

    def classify(
        self, address: ModelSpec | None, form: ExamplesForm, payload: bytes, context: RequestContext
    ) -> Call | LongCall:
        """Examples in, labels and scores out (docs/compatibility.md, "Classify and regress")."""
        return self._begin(partial(self._examples, CLASSIFY), address, form, payload, context)

    def regress(
        self, address: ModelSpec | None, form: ExamplesForm, payload: bytes, context: RequestContext
    ) -> Call | LongCall:
        """Examples in, a number each out (docs/compatibility.md, "Classify and regress")."""
        return self._begin(partial(self._examples, REGRESS), address, form, payload, context)

    def multi_inference(self, form: ExamplesForm, payload: bytes, context: RequestContext) -> Call | LongCall:
        """Several of the two above on the same Examples (docs/compatibility.md, "MultiInference")."""
        return self._begin(self._multi_inference, None, form, payload, context)

    def metadata(self, address: ModelSpec, context: RequestContext, size: int = 0) -> tuple[ServableId, Any]:
        """The version that would answer, and its signatures as a SignatureDefMap message."""
        with (
            self._counted(address, context, size),
            self._manager.acquire(address.name, address.version, address.label) as handle,
        ):
            return handle.id, metadata.signature_def_map(handle.servable)

    def status(self, address: ModelSpec, context: RequestContext, size: int = 0) -> tuple[ServableState, ...]:
        """Every version ever seen, highest first, or the one asked for; a label is ignored. NOT_FOUND without any."""
        with self._counted(address, context, size):
            return status.model_status(self._manager, address.name, address.version)

    def models(self, context: RequestContext) -> Mapping[str, tuple[ServableState, ...]]:
        """Every model with the states of its versions; TensorFlow Serving has no such list."""
        with self._counted(NO_MODEL, context, 0):
            return {name: self._manager.states(name) for name in sorted(self._manager.models())}

    def reload(self, request: Any, write: Callable[[Any], bytes], context: RequestContext, size: int) -> LongCall:
        """Another list of models in place of the present one; waits for the new ones (docs/compatibility.md, "Reload").

        ``request`` is a ReloadConfigRequest message, ``write`` takes the ReloadConfigResponse.
        """
        self.admit(context, NO_MODEL, size)

        def do(gone: Gone) -> bytes:
            return write(reload(request, self._apply, self._metrics.value, timeout_ms=context.timeout_ms, gone=gone))

        return LongCall(do)

    def admit(self, context: RequestContext, address: ModelSpec, size: int) -> None:
        """Let the policy refuse a request that is for nothing above, such as one for health. Raises ServingError."""
        if self._admit is not None:
            self._admit(context, address, size)

    def recorded(self, plans: Plans, log: Any) -> Recorded | None:
        """The call of a PredictionLog message, for warm-up: on a version that nobody can ask for yet."""
        return messages.recorded(plans, log, check_method_names=self._check)

    def _begin(
        self,
        bind: Bind,
        address: ModelSpec | None,
        form: Form,
        payload: bytes,
        context: RequestContext,
        began: float | None = None,
    ) -> Call | LongCall:
        """``began`` is when a request came that was admitted then, and may take long now."""
        metrics, limited, series = self._metrics, False, UNCOUNTED
        if address is not None:
            key = context.door, form.api, address.name
            series = metrics.kept.get(key) or metrics.series(*key)
        late = began is not None
        try:
            if began is None:
                began, limited = metrics.clock(), context.in_event_thread
                if self._admit is not None:
                    self._ask(self._admit, address, form, payload, context)
            document = form.read(payload, limited)
            if address is None:  # what is no message at all is not counted, as in TensorFlow Serving
                address = document.spec or NO_MODEL
                if form.api:
                    key = context.door, form.api, address.name
                    series = metrics.kept.get(key) or metrics.series(*key)
                if not address.name:
                    raise invalid_argument(UNNAMED if document.spec else "Missing ModelSpec")
            handle = self._manager.acquire(address.name, address.version, address.label)
            try:
                plan, tensors, encode = bind(form, handle, address, document)
                timeout_ms = self._left(context, began) if late else context.timeout_ms
                call = Call(plan, tensors, encode, handle, timeout_ms, series, began, self._workers, context)
                if self._request_log.models and self._request_log.draws(handle.id):
                    call.log = self._log(form, call, address, document, payload, context.door)
            except BaseException:
                handle.release()
                raise
            return call
        except TooLongHereError:

            def later(gone: Gone) -> bytes | Future[bytes]:
                with self._workers.interpreter:
                    call = self._begin(bind, address, form, payload, context, began)
                # On other threads unless it is short: a run that does not end must not hold one of the few workers.
                return call.here() if isinstance(call, Call) and call.inline and not call.joins else call.elsewhere()

            refused = series.failed if address is not None else partial(self._refused, form, payload, context)
            return LongCall(later, self._workers, refused)
        except BaseException as error:
            series.failed(error)
            raise

    def _left(self, context: RequestContext, began: float) -> int:
        """The time limit of a call that has waited; over REST it bounds the run alone, as in TensorFlow Serving."""
        if context.timeout_ms <= 0 or context.door == "REST":
            return context.timeout_ms
        return max(1, context.timeout_ms - int((self._metrics.clock() - began) * 1000))

    def _predict(
        self, form: PredictForm, handle: Handle, address: ModelSpec, document: Any
    ) -> tuple[Plan, list[Tensor], Encode]:
        given, plans = document.signature_name, handle.plans
        name = given or DEFAULT_SIGNATURE_NAME
        signature = plans.signatures.get(name)
        if signature is None:
            raise form.missing(name)
        if self._check and form.method_first:
            check_method(signature)
        key, plan, tensors = form.bind(document, plans, name, signature)
        if self._check:
            check_method(signature)
        encode = plan.encoders.get(key)
        if encode is None:
            encode = plan.encoders[key] = form.encoder(key, plan, handle.id, name)
        return plan, tensors, encode

    def _examples(
        self, operation: Operation, form: ExamplesForm, handle: Handle, address: ModelSpec, document: Any
    ) -> tuple[Plan, list[Tensor], Encode]:
        name = document.signature_name or DEFAULT_SIGNATURE_NAME
        plan = operation.plan(handle.plans, name, check_method_name=self._check)
        given = document.examples()

        def encode(outputs: Mapping[str, Tensor]) -> bytes:
            return form.encode(((name, operation.result(outputs, len(given))),), handle.id)

        return plan, [examples_tensor(given)], encode

    def _multi_inference(
        self, form: ExamplesForm, handle: Handle, address: ModelSpec, document: ExamplesMessage
    ) -> tuple[Plan, list[Tensor], Encode]:
        plan = multi_inference.plan(handle.plans, document.tasks, check_method_names=self._check)
        given = document.examples()

        def encode(outputs: Mapping[Any, Tensor]) -> bytes:
            self._metrics.examples(address.name, len(given))
            results = multi_inference.results(document.tasks, outputs, len(given))
            names = [task.spec.signature for task in document.tasks]
            return form.encode(zip(names, results, strict=True), handle.id)

        return plan, [examples_tensor(given)] * len(plan.aliases), encode

    def _log(self, form: Form, call: Call, address: ModelSpec, document: Any, payload: bytes, door: Door) -> Answered:
        """What keeps a request that was drawn for the log."""
        given, servable_id = document.signature_name, call.handle.id
        spec, kind = address._replace(signature_name=given), form.log_type
        if door == "GRPC":
            made: logged.Messages = lambda _, body: (payload, body)  # noqa: E731
        elif kind is LogType.PREDICT:
            request = payload if form.is_message else b""
            made = logged.predict(spec, call.plan, call.tensors, request, servable_id)
        else:
            operation = CLASSIFY if kind is LogType.CLASSIFY else REGRESS
            made = logged.examples(operation, spec, call.plan, call.tensors, servable_id)
        name = "" if kind is LogType.MULTI_INFERENCE else spec.signature
        return self._request_log.keeper(kind, servable_id, name, made)

    def _ask(
        self, admit: Admit, address: ModelSpec | None, form: Form, payload: bytes, context: RequestContext
    ) -> None:
        if address is not None or form.peek is None:
            admit(context, address or NO_MODEL, len(payload))
            return
        try:
            admit(context, form.peek(payload) or NO_MODEL, len(payload))
        except ServingError as error:
            self._refused(form, payload, context, error)
            raise

    def _refused(self, form: Form, payload: bytes, context: RequestContext, error: BaseException) -> None:
        """Count a message that nobody has read."""
        if form.api and form.peek is not None:
            name = (form.peek(payload) or NO_MODEL).name
            self._metrics.series(context.door, form.api, name).failed(error)

    @contextmanager
    def _counted(self, address: ModelSpec, context: RequestContext, size: int) -> Iterator[None]:
        """A request that runs no model; over gRPC those are not counted, as in TensorFlow Serving."""
        series = self._metrics.series("REST", "", address.name) if context.door == "REST" else UNCOUNTED
        began = series.clock()
        try:
            self.admit(context, address, size)
            yield
        except BaseException as error:
            series.failed(error)
            raise
        series.succeeded(began)
