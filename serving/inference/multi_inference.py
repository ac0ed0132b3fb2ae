"""MultiInference: several classify and regress signatures of one model on the same Examples, in one run.

Not available over REST (docs/compatibility.md, "MultiInference").
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from serving.core.model_spec import ModelSpec
from serving.core.predict_plan import Prediction
from serving.core.results import Classification, Regression
from serving.core.servable import Servable
from serving.core.signature import CLASSIFY_METHOD_NAME, REGRESS_METHOD_NAME
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.inference import classify, examples, regress
from serving.inference.classify import Plan


class Task(NamedTuple):
    """One signature to evaluate, and as what."""

    spec: ModelSpec
    method_name: str


class PlannedTask(NamedTuple):
    """A task whose signature fits it; ``result`` makes its answer of its outputs."""

    signature_name: str
    plan: Plan
    result: Callable[[dict[str, Tensor], int], Classification | Regression]


class PlannedRun(NamedTuple):
    """The one call for all tasks: its fetches are ``aliases``, pairs of a task's index and an output's alias."""

    prediction: Prediction
    tasks: list[PlannedTask]
    aliases: list[tuple[int, str]]

    def results(self, outputs: Sequence[Tensor]) -> list[Classification | Regression]:
        """The tasks' answers, in their order."""
        count = len(self.prediction.tensors[0].array)
        by_task: list[dict[str, Tensor]] = [{} for _ in self.tasks]
        for (index, alias), tensor in zip(self.aliases, outputs, strict=True):
            by_task[index][alias] = tensor
        return [task.result(named, count) for task, named in zip(self.tasks, by_task, strict=True)]


def model_of(tasks: Sequence[Task]) -> ModelSpec:
    """The spec that resolves the model: the first task's. INVALID_ARGUMENT if there is none."""
    if not tasks or not tasks[0].spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    return tasks[0].spec


def bind(servable: Servable, tasks: Sequence[Task], serialized: list[bytes], *, check_method_names: bool) -> PlannedRun:
    """Check every task against the model and resolve the one call."""
    planned = _plan(servable, tasks, check_method_names)
    # Sorted, as TensorFlow Serving feeds them: messages count arguments in this order.
    feeds = tuple(sorted({task.plan.feed for task in planned}))
    aliases = [(index, alias) for index, task in enumerate(planned) for alias in task.plan.fetches]
    fetches = tuple(planned[index].plan.fetches[alias] for index, alias in aliases)
    tensor = examples.tensor(serialized)
    prediction = Prediction(servable.resolve(feeds, fetches), [tensor] * len(feeds), ())
    return PlannedRun(prediction, planned, aliases)


def _plan(servable: Servable, tasks: Sequence[Task], check_method_names: bool) -> list[PlannedTask]:
    planned: list[PlannedTask] = []
    seen: set[str] = set()
    for spec, method_name in tasks:
        if not spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        if spec.name != tasks[0].spec.name:
            raise invalid_argument("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = spec.signature
        if name in seen:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        planned.append(_plan_task(servable, name, method_name, check_method_names))
    return planned


def _plan_task(servable: Servable, name: str, method_name: str, check_method_names: bool) -> PlannedTask:
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"Requested signature not found in model graph: {name}")
    if method_name == CLASSIFY_METHOD_NAME:
        plan = classify.plan(servable, name, signature, check_method_name=check_method_names)
        return PlannedTask(name, plan, classify.result)
    if method_name == REGRESS_METHOD_NAME:
        plan = regress.plan(servable, name, signature, check_method_name=check_method_names)
        return PlannedTask(name, plan, regress.result)
    raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {method_name}")
