"""The request layer: the one place that admits, acquires a version, binds, counts, logs and releases.

Every way in, and warm-up, calls it. Protocols only read requests into its values, and write answers out of them.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from serving.core.handle import Lease
from serving.core.lifecycle import NotLoadedError
from serving.core.manager import Manager
from serving.core.merged_states import Known
from serving.core.model_spec import ModelSpec
from serving.core.plans import Encode, Plan, Plans
from serving.core.signature import DEFAULT_SIGNATURE_NAME
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from serving.inference import messages, multi_inference
from serving.inference.call import Reply
from serving.inference.classify import CLASSIFY
from serving.inference.context import NO_MODEL, Admit, RequestContext
from serving.inference.long_call import Gone, LongCall
from serving.inference.messages import ExamplesMessage, Recorded
from serving.inference.operations import (
    ExamplesForm,
    Form,
    InferForm,
    Operation,
    PredictForm,
    check_method,
    examples_tensor,
)
from serving.inference.principal import Right
from serving.inference.regress import REGRESS
from serving.inference.reload import Apply, reload, wait_seconds
from serving.inference.repository import Done, IndexEntry, LoadRequest, Repository, everybody_may, index, may_change
from serving.inference.requests import Bind, Requests
from serving.inference.trials import Trials
from serving.inference.uncalled_requests import UncalledRequests
from serving.telemetry.serving_metrics import ServingMetrics


class Service(UncalledRequests):
    """What every protocol calls. ``apply`` puts a configuration into effect, ``requests`` makes calls of models.

    ``apply_anywhere`` does so for principals with the admin right, who may name any base path. ``repository`` gives
    what loads single models, by requests only with ``model_control``, which is --allow_model_control. ``known`` gives
    what knows the states of models, by default the manager.

    ``admit`` is asked for each request that is for nothing of a model; None admits all. ``check_method_names`` is
    --enable_signature_method_name_check. An ``address`` of None is the one that the message itself has.
    """

    def __init__(
        self,
        manager: Manager,
        metrics: ServingMetrics,
        requests: Requests,
        apply: Apply,
        *,
        check_method_names: bool = False,
        admit: Admit | None = None,
        apply_anywhere: Apply | None = None,
        repository: Callable[[], Repository] | None = None,
        model_control: bool = True,
        known: Callable[[], Known] | None = None,
    ) -> None:
        super().__init__(manager, metrics, requests, admit, known)
        self.interpreter = requests.interpreter
        """As the requests'."""
        self._begin = requests.begin
        self._try = requests.tried
        self._apply = apply
        self._apply_anywhere = apply_anywhere or apply
        self._repository = repository
        self._model_control = model_control
        self._check = check_method_names

    def predicting(self, address: ModelSpec | None, form: PredictForm) -> Callable[[bytes, RequestContext], Reply]:
        """What answers Predict, named tensors in and out (docs/compatibility.md, "Predict"); one for all requests.

        It raises ServingError, as all below.
        """
        begin, bind = self._begin, self._predict

        def predict(payload: bytes, context: RequestContext) -> Reply:
            return begin(bind, address, form, payload, context)

        return predict

    def inferring(self, address: ModelSpec | None, form: InferForm) -> Callable[[bytes, RequestContext], Reply]:
        """Named tensors in and out, as ``predicting``, where an answer repeats some of its request."""
        begin, bind = self._begin, self._infer

        def infer(payload: bytes, context: RequestContext) -> Reply:
            return begin(partial(bind, context), address, form, payload, context)

        return infer

    def classify(self, address: ModelSpec | None, form: ExamplesForm, payload: bytes, context: RequestContext) -> Reply:
        """Examples in, labels and scores out (docs/grpc.md, "Classify and regress")."""
        return self._begin(partial(self._examples, CLASSIFY), address, form, payload, context)

    def regress(self, address: ModelSpec | None, form: ExamplesForm, payload: bytes, context: RequestContext) -> Reply:
        """Examples in, a number each out (docs/grpc.md, "Classify and regress")."""
        return self._begin(partial(self._examples, REGRESS), address, form, payload, context)

    def multi_inference(self, form: ExamplesForm, payload: bytes, context: RequestContext) -> Reply:
        """Several of the two above on the same Examples (docs/grpc.md, "MultiInference")."""
        return self._begin(self._multi_inference, None, form, payload, context)

    def metrics_page(self, context: RequestContext, openmetrics: bool = False) -> bytes:
        """The metrics in Prometheus' text format, or in that of ``openmetrics``, which has exemplars."""
        context.right = Right.METRICS
        self.admit(context, NO_MODEL, 0)
        return self._metrics.openmetrics() if openmetrics else self._metrics.page()

    def reload(self, request: Any, write: Callable[[Any], bytes], context: RequestContext, size: int) -> LongCall:
        """Another list of models in place of the present one; waits for the new ones (docs/models.md, "Reload").

        ``request`` is a ReloadConfigRequest message, ``write`` takes the ReloadConfigResponse.
        """
        apply = self._apply_anywhere if self._admitted_to_change(context, size) else self._apply

        def do(gone: Gone) -> bytes:
            return write(reload(request, apply, self._metrics.value, timeout_ms=context.timeout_ms, gone=gone))

        return LongCall(do)

    def repository_index(
        self, write: Callable[[Sequence[IndexEntry]], bytes], context: RequestContext, size: int, *, ready: bool
    ) -> LongCall:
        """Every version with its state, of the models that the principal may use, and directories that it may load.

        With ``ready`` only versions that answer.
        """
        context.right = Right.READ
        self.admit(context, NO_MODEL, size)
        principal, repository = context.principal, self._of_single_models()

        def do(gone: Gone) -> bytes:
            beside = () if ready or not may_change(principal) else repository.beside()
            may_use = everybody_may if principal is None else principal.may_use
            return write(index(self._known(), repository.configured(), beside, may_use, ready=ready))

        return LongCall(do)

    def listed_models(self, context: RequestContext) -> Mapping[str, str]:
        """The models listed now with their base paths, of those that the principal may use."""
        context.right = Right.READ
        self.admit(context, NO_MODEL, 0)
        principal, paths = context.principal, self._of_single_models().base_paths()
        return {name: paths[name] for name in sorted(paths) if principal is None or principal.may_use(name)}

    def load_model(
        self, request: LoadRequest, write: Callable[[Done], bytes], context: RequestContext, size: int, timeout_ms: int
    ) -> LongCall:
        """One model more, or one looked at again, until a whole list comes; waits until it answers or has failed.

        ``timeout_ms`` bounds the wait, 0 does not: the load goes on (docs/dialects.md, "Model repository").
        """
        anywhere = self._admitted_to_change(context, size, request.name)
        repository = self._controlled()
        return LongCall(lambda gone: write(repository.load(request, wait_seconds(timeout_ms), gone, anywhere=anywhere)))

    def unload_model(
        self, name: str, write: Callable[[Done], bytes], context: RequestContext, size: int, timeout_ms: int
    ) -> LongCall:
        """One model fewer, until a whole list comes. Waits until no request reaches it; those that it has go on."""
        self._admitted_to_change(context, size, name)
        repository = self._controlled()
        return LongCall(lambda gone: write(repository.unload(name, wait_seconds(timeout_ms), gone)))

    def move_label(
        self, name: str, label: str, version: int, write: Callable[[Done], bytes], context: RequestContext, size: int
    ) -> LongCall:
        """Another version behind a label, until a whole list comes (docs/operating.md, "Move a label")."""
        self._admitted_to_change(context, size, name)
        repository = self._controlled()
        return LongCall(lambda _: write(repository.move_label(name, label, version)))

    def trials(
        self, address: ModelSpec, write: Callable[[Trials], bytes], context: RequestContext, *, admitted: bool = False
    ) -> Reply:
        """The version that would answer, as ``write`` describes it: on a thread of its own, so it may try it first."""
        try:
            with self._counted(address, context, 0, admitted=admitted):
                lease = self._manager.hold(address.name, address.version, address.label)
        except NotLoadedError as missing:
            begin = partial(self.trials, address, write, context, admitted=True)
            return self._when_loaded(missing, begin, context, self._uncalled(address, context).failed)

        def do(_: Gone) -> bytes:
            try:
                return write(Trials(lease, partial(self._tried, lease)))
            finally:
                lease.give_back()

        return LongCall(do, failed=lambda _: lease.give_back())

    def recorded(self, plans: Plans, log: Any) -> Recorded | None:
        """The call of a PredictionLog message, for warm-up: on a version that nobody can ask for yet."""
        return messages.recorded(plans, log, check_method_names=self._check)

    def _admitted_to_change(self, context: RequestContext, size: int, model: str = "") -> bool:
        """Admit what changes the list of models; whether any base path may be named."""
        context.right = Right.ADMIN
        if context.record is not None:
            context.record.model = model
        self.admit(context, NO_MODEL, size)
        return context.principal is not None and may_change(context.principal)

    def _controlled(self) -> Repository:
        if not self._model_control:
            raise ServingError(
                Code.PERMISSION_DENIED,
                "Single models are not loaded, unloaded or labelled by requests here, for --allow_model_control=false "
                "says so; expected a reload, or another --model_config_file",
            )
        return self._of_single_models()

    def _of_single_models(self) -> Repository:
        if self._repository is None:
            raise ServingError(Code.UNIMPLEMENTED, "No single models are loaded or unloaded here")
        return self._repository()

    def _tried(
        self, lease: Lease, operation: Operation | None, form: Form, payload: bytes, timeout_ms: int
    ) -> Future[bytes]:
        bind: Bind = self._predict
        if operation is not None:
            bind = partial(self._examples, operation)
        elif isinstance(form, InferForm):
            bind = partial(self._infer, RequestContext("REST"))
        return self._try(bind, lease, form, payload, timeout_ms)

    def _predict(
        self, form: PredictForm, lease: Lease, address: ModelSpec, document: Any
    ) -> tuple[Plan, list[Tensor], Encode]:
        given, plans = document.signature_name, lease.plans
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
            encode = plan.encoders[key] = form.encoder(key, plan, lease.id, name)
        return plan, tensors, encode

    def _infer(
        self, context: RequestContext, form: InferForm, lease: Lease, address: ModelSpec, document: Any
    ) -> tuple[Plan, list[Tensor], Encode]:
        if document.timeout_ms:
            context.timeout_ms = min(document.timeout_ms, context.timeout_ms or document.timeout_ms)
        name = document.signature_name or DEFAULT_SIGNATURE_NAME
        signature = lease.plans.signatures.get(name)
        if signature is None:
            raise form.missing(name)
        if self._check:
            check_method(signature)
        return form.bind(document, lease.plans, signature, lease.id)

    def _examples(
        self, operation: Operation, form: ExamplesForm, lease: Lease, address: ModelSpec, document: Any
    ) -> tuple[Plan, list[Tensor], Encode]:
        name = document.signature_name or DEFAULT_SIGNATURE_NAME
        plan = operation.plan(lease.plans, name, check_method_name=self._check)
        given = document.examples()

        def encode(outputs: Mapping[str, Tensor]) -> bytes:
            return form.encode(((name, operation.result(outputs, len(given))),), lease.id)

        return plan, [examples_tensor(given)], encode

    def _multi_inference(
        self, form: ExamplesForm, lease: Lease, address: ModelSpec, document: ExamplesMessage
    ) -> tuple[Plan, list[Tensor], Encode]:
        plan = multi_inference.plan(lease.plans, document.tasks, check_method_names=self._check)
        given = document.examples()

        def encode(outputs: Mapping[Any, Tensor]) -> bytes:
            self._metrics.examples(address.name, len(given))
            results = multi_inference.results(document.tasks, outputs, len(given))
            names = [task.spec.signature for task in document.tasks]
            return form.encode(zip(names, results, strict=True), lease.id)

        return plan, [examples_tensor(given)] * len(plan.aliases), encode
