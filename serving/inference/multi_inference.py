"""MultiInference: several classify and regress signatures of one model on the same Examples, in one run.

Not available over REST (docs/grpc.md, "MultiInference").
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from serving.core.model_spec import ModelSpec
from serving.core.plans import Plan, Plans
from serving.core.signature import CLASSIFY_METHOD_NAME, REGRESS_METHOD_NAME
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.inference.classify import CLASSIFY
from serving.inference.operations import Ends, Result
from serving.inference.regress import REGRESS

_OPERATIONS = {CLASSIFY_METHOD_NAME: CLASSIFY, REGRESS_METHOD_NAME: REGRESS}


class Task(NamedTuple):
    """One signature to evaluate, and as what."""

    spec: ModelSpec
    method_name: str


def model_of(tasks: Sequence[Task]) -> ModelSpec:
    """The spec that resolves the model: the first task's. INVALID_ARGUMENT if there is none."""
    if not tasks or not tasks[0].spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    return tasks[0].spec


def plan(plans: Plans, tasks: Sequence[Task], *, check_method_names: bool) -> Plan:
    """The one call for all tasks. Its outputs are pairs of a task's index and an alias; every input takes the Examples.

    INVALID_ARGUMENT, or UNIMPLEMENTED, for the first task that does not fit the model.
    """

    def work_out() -> Plan:
        model, seen = tasks[0].spec.name, set[str]()
        ends = [_ends(plans, task, model, seen, check_method_names) for task in tasks]
        # Sorted, as TensorFlow Serving feeds them: messages count arguments in this order.
        feeds = tuple(sorted({each.feed for each in ends}))
        fetches = {(index, alias): name for index, each in enumerate(ends) for alias, name in each.fetches.items()}
        return plans.resolve(feeds, fetches)

    key = [(task.spec.name, task.spec.signature, task.method_name) for task in tasks]
    return plans.of(("MultiInference", tuple(key)), work_out)


def results(tasks: Sequence[Task], outputs: Mapping[Any, Tensor], examples: int) -> list[Result]:
    """The tasks' answers, in their order."""
    by_task: list[dict[str, Tensor]] = [{} for _ in tasks]
    for (index, alias), tensor in outputs.items():
        by_task[index][alias] = tensor
    pairs = zip(tasks, by_task, strict=True)
    return [_OPERATIONS[task.method_name].result(named, examples) for task, named in pairs]


def _ends(plans: Plans, task: Task, model: str, seen: set[str], check_method_names: bool) -> Ends:
    if not task.spec.name:
        raise invalid_argument("Found ModelSpec with an empty model name.")
    if task.spec.name != model:
        raise invalid_argument("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
    name = task.spec.signature
    if name in seen:
        raise invalid_argument(f"Duplicate evaluation of signature: {name}")
    seen.add(name)
    if name not in plans.servable.signatures:
        raise invalid_argument(f"Requested signature not found in model graph: {name}")
    operation = _OPERATIONS.get(task.method_name)
    if operation is None:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
    return operation.checked_ends(plans.servable, name, check_method_name=check_method_names)
