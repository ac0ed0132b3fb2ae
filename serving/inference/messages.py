"""Request messages bound to a version: what gRPC, protobuf bodies over REST and recorded requests have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from google.protobuf.message import DecodeError

from serving.codecs.predict import cost
from serving.codecs.predict.request import PredictRequest, of_message
from serving.codecs.protobuf import example_input, model_spec
from serving.codecs.protobuf.forms import FormReader
from serving.core.model_spec import ModelSpec
from serving.core.plans import Plan, Plans
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.inference import multi_inference
from serving.inference.classify import CLASSIFY
from serving.inference.multi_inference import Task
from serving.inference.operations import check_method, examples_tensor
from serving.inference.placement import check_inline
from serving.inference.regress import REGRESS

_SMALL, _LARGE = 4096, 2**20
"""Bytes of a message below which nothing in it takes long but what its shapes declare; and above which copying does."""

_ELEMENT_SECONDS = 4e-9
"""To make and to copy an element that is declared and not there."""


class Sized(Protocol):
    """A request of which is known how many ``elements`` its shapes declare beside what there is."""

    @property
    def elements(self) -> int:
        """None where it can have no others."""
        ...


SizedT = TypeVar("SizedT", bound=Sized)


def reading(
    reader: FormReader[SizedT],
    unreadable: Callable[[bytes], ServingError],
    seconds: Callable[[bytes], float] = cost.seconds,
) -> Callable[[bytes, bool], SizedT]:
    """What reads a serialised request, as ``Form`` says; ``unreadable`` makes the error of bytes that are none.

    ``seconds`` tells what one takes of which no form is known.
    """
    known = reader.known

    def read(payload: bytes, limited: bool) -> SizedT:
        if len(payload) < _LARGE or not limited:
            request = known(payload)
            if request is not None:
                return request
        if len(payload) > _SMALL and limited:
            check_inline(seconds(payload), limited=True)
        try:
            request = reader.read(payload)
        except DecodeError:
            raise unreadable(payload) from None
        check_inline(request.elements * _ELEMENT_SECONDS, limited=limited)
        return request

    return read


def unnamed(request: Any) -> ServingError:
    """The error of a message that names no model."""
    return invalid_argument("ModelSpec has no name specified." if request.spec else "Missing ModelSpec")


def missing(name: str) -> ServingError:
    """The error of a Predict message whose signature there is not."""
    return ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')


def bind(request: PredictRequest, plans: Plans, name: str) -> tuple[Plan, list[Tensor]]:
    """The call of a Predict message, and the tensors for it (docs/grpc.md, "gRPC Predict")."""
    sent, output_filter, known = request.sent, request.output_filter, request.tensors
    try:
        plan = plans.kept.get((name, sent, output_filter)) or plans.predict(name, sent, output_filter)
    except ServingError:
        # The filter is looked at last: a tensor that is none comes first.
        _tensors(request, plans.signatures[name].feeds(sent).aliases)
        raise
    tensors = known if known is not None and plan.aliases == sent else _tensors(request, plan.aliases)
    if plan.defaults:
        tensors += plan.defaults
    return plan, tensors


def _tensors(request: PredictRequest, aliases: tuple[str, ...]) -> list[Tensor]:
    tensors = []
    for alias in aliases:
        tensor = request.tensor(alias)
        if tensor is None:
            raise invalid_argument(f"tensor parsing error: {alias}")
        tensors.append(tensor)
    return tensors


@dataclass(frozen=True, slots=True)
class ExamplesMessage:
    """A ClassificationRequest or RegressionRequest, or with ``tasks`` a MultiInferenceRequest."""

    spec: ModelSpec | None
    message: Any
    tasks: tuple[Task, ...] = ()

    @property
    def signature_name(self) -> str:
        """As the request has it; a request with tasks has none."""
        return "" if self.tasks or self.spec is None else self.spec.signature_name

    def examples(self) -> list[bytes]:
        """One serialised Example each. RESOURCE_EXHAUSTED if a context is merged into too many."""
        return example_input.decode(self.message.input)


def tasks_of(message: Any) -> tuple[Task, ...]:
    """The tasks of a MultiInferenceRequest."""
    return tuple(Task(model_spec.decode_spec(task.model_spec), task.method_name) for task in message.tasks)


class Recorded(NamedTuple):
    """A recorded request bound to a version. ``api`` is its operation, empty for MultiInference."""

    api: str
    model: str
    plan: Plan
    tensors: list[Tensor]
    check: Callable[[Mapping[Any, Tensor]], object] = dict
    """Raises ServingError for outputs that cannot be answered with."""


def recorded(plans: Plans, log: Any, *, check_method_names: bool) -> Recorded | None:
    """The call of a PredictionLog message, whatever model it names; None without a request.

    UNIMPLEMENTED for a kind of log that has no replay.
    """
    match log.WhichOneof("log_type"):
        case None:
            return None
        case "predict_log":
            return _predict(plans, log.predict_log.request, check_method_names)
        case "classify_log" | "regress_log" as kind:
            operation, api = (CLASSIFY, "Classify") if kind == "classify_log" else (REGRESS, "Regress")
            request = getattr(log, kind).request
            spec = model_spec.decode_spec(request.model_spec)
            plan = operation.plan(plans, spec.signature, check_method_name=check_method_names)
            tensor = examples_tensor(ExamplesMessage(spec, request).examples())
            count = len(tensor.array)
            return Recorded(api, spec.name, plan, [tensor], lambda outputs: operation.result(outputs, count))
        case "multi_inference_log":
            return _multi_inference(plans, log.multi_inference_log.request, check_method_names)
        case kind:
            number = log.DESCRIPTOR.fields_by_name[kind].number
            raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")


def _predict(plans: Plans, message: Any, check_method_names: bool) -> Recorded:
    spec, request = model_spec.decode_spec(message.model_spec), of_message(message)
    if spec.signature not in plans.signatures:
        raise missing(spec.signature)
    if check_method_names:
        check_method(plans.signatures[spec.signature])
    return Recorded("Predict", spec.name, *bind(request, plans, spec.signature))


def _multi_inference(plans: Plans, message: Any, check_method_names: bool) -> Recorded:
    tasks = tasks_of(message)
    spec = multi_inference.model_of(tasks)
    plan = multi_inference.plan(plans, tasks, check_method_names=check_method_names)
    tensor = examples_tensor(ExamplesMessage(spec, message).examples())
    count = len(tensor.array)
    check = lambda outputs: multi_inference.results(tasks, outputs, count)  # noqa: E731
    return Recorded("", spec.name, plan, [tensor] * len(plan.aliases), check)
