"""MultiInference: the one call for all tasks, and whose its outputs are."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from serving.core.model_spec import ModelSpec
from serving.core.plans import Plans
from serving.core.results import Regression
from serving.core.servable import Run
from serving.core.signature import REGRESS_METHOD_NAME, Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference import multi_inference
from serving.inference.multi_inference import Task


class EchoRun:
    """A run whose outputs are its first input, as often as something is fetched."""

    inline = True

    def __init__(self, fetches: tuple[str, ...]) -> None:
        self._fetches = fetches

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return [tensors[0] for _ in self._fetches]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        future: Future[list[Tensor]] = Future()
        future.set_result(self(tensors, timeout_ms))
        return future


class Regressors:
    """Regress signatures, each with an input tensor called like itself; remembers what was resolved last."""

    def __init__(self, *names: str) -> None:
        self.signature_defs: Mapping[str, Any] = {}
        self.feeds: tuple[str, ...] = ()
        self.fetches: tuple[str, ...] = ()
        self.signatures = {
            name: Signature(
                name=name,
                inputs={"inputs": TensorInfo(name=f"{name}:0", dtype=DataType.STRING)},
                outputs={"outputs": TensorInfo(name=f"{name}_y:0", dtype=DataType.FLOAT)},
                method_name=REGRESS_METHOD_NAME,
            )
            for name in names
        }

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        self.feeds, self.fetches = feeds, fetches
        return EchoRun(fetches)

    def close(self) -> None: ...


def tasks(*names: str, model: str = "m") -> list[Task]:
    """A regression by each of these signatures."""
    return [Task(ModelSpec(model, None, None, name), REGRESS_METHOD_NAME) for name in names]


@pytest.mark.parametrize("order", [("p", "q", "r"), ("r", "p", "q"), ("q", "r", "p")], ids="-".join)
def test_inputs_are_fed_in_the_order_of_their_names(order: tuple[str, ...]) -> None:
    """Whatever the order of the tasks: messages of TensorFlow count arguments, and TensorFlow Serving sorts them."""
    servable = Regressors("p", "q", "r")
    plan = multi_inference.plan(Plans(servable), tasks(*order), check_method_names=False)
    assert servable.feeds == ("p:0", "q:0", "r:0")
    assert plan.outputs == tuple((index, "outputs") for index in range(3))


def test_results_are_in_the_order_of_the_tasks() -> None:
    """Each task has the outputs of its own signature."""
    servable = Regressors("p", "q")
    for names in (("p", "q"), ("q", "p")):
        plan = multi_inference.plan(Plans(servable), tasks(*names), check_method_names=False)
        outputs = {
            end: Tensor(DataType.FLOAT, np.array([number], np.float32)) for number, end in enumerate(plan.outputs)
        }
        results = multi_inference.results(tasks(*names), outputs, 1)
        assert [result.values.tolist() for result in results if isinstance(result, Regression)] == [[0], [1]]
        assert servable.fetches == tuple(f"{name}_y:0" for name in names)


def test_the_same_tasks_are_worked_out_once() -> None:
    """The same tasks give the same plan; in another order they are another."""
    plans = Plans(Regressors("p", "q"))
    first, again, other = (
        multi_inference.plan(plans, tasks(*names), check_method_names=True) for names in ("pq", "pq", "qp")
    )
    assert first is again
    assert first is not other


def test_every_task_counts_for_what_is_kept() -> None:
    """Tasks that do not fit are refused also after those that do, and by the first that does not."""
    plans = Plans(Regressors("p", "q"))
    multi_inference.plan(plans, tasks("p", "q"), check_method_names=False)
    for wrong, text in (
        (tasks("p", "p"), "Duplicate evaluation of signature: p"),
        (tasks("p", "r"), "Requested signature not found in model graph: r"),
        ([tasks("p")[0], tasks("q", model="n")[0]], "must access the same model name"),
        ([tasks("p")[0], tasks("q", model="")[0]], "Found ModelSpec with an empty model name."),
        ([tasks("p")[0], Task(tasks("q")[0].spec, "other")], "Unsupported signature method_name: other"),
    ):
        with pytest.raises(ServingError, match=text):
            multi_inference.plan(plans, wrong, check_method_names=False)


@pytest.mark.parametrize("given", [[], tasks("p", model="")], ids=["no task", "no name"])
def test_a_model_must_be_named(given: list[Task]) -> None:
    """INVALID_ARGUMENT with TensorFlow Serving's text if the first task names none."""
    with pytest.raises(ServingError) as raised:
        multi_inference.model_of(given)
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
