"""Plans of Predict calls: worked out once per kind of request."""

import numpy as np
import pytest

from serving.core.predict_plan import PredictPlan
from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError


class Servable:
    """Counts what is resolved, and gives it as the run."""

    def __init__(self) -> None:
        self.resolved: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    @property
    def signatures(self) -> dict[str, Signature]:
        return {}

    @property
    def signature_defs(self) -> dict[str, object]:
        return {}

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        self.resolved.append((feeds, fetches))
        return (feeds, fetches)  # type: ignore[return-value]  # what comes back is looked at, and not called

    def close(self) -> None: ...


def tensor(value: float) -> Tensor:
    return Tensor(DataType.FLOAT, np.array(value, np.float32))


def infos(names: str) -> dict[str, TensorInfo]:
    return {name: TensorInfo(name=f"{name}:0", dtype=DataType.FLOAT) for name in names}


SIGNATURE = Signature(name="s", inputs=infos("abc"), outputs=infos("yz"), defaults={"c": tensor(3)})


@pytest.mark.parametrize(
    ("sent", "feeds", "values"),
    [
        pytest.param("abc", ("a:0", "b:0", "c:0"), [1, 2, 3], id="as declared"),
        pytest.param("cba", ("a:0", "b:0", "c:0"), [3, 2, 1], id="in another order"),
        pytest.param("ba", ("a:0", "b:0", "c:0"), [2, 1, 3], id="one by default"),
    ],
)
def test_inputs_are_fed_as_the_signature_has_them(sent: str, feeds: tuple[str, ...], values: list[int]) -> None:
    """Whatever their order in the request; defaults stand in for those it leaves out."""
    prediction = PredictPlan(Servable(), SIGNATURE).bind(
        {name: tensor(index) for index, name in enumerate(sent, start=1)}
    )
    run: object = prediction.run
    assert run == (feeds, ("y:0", "z:0"))
    assert prediction.outputs == ("y", "z")
    assert [given.array.item() for given in prediction.tensors] == values


def test_a_kind_of_request_is_worked_out_once() -> None:
    """And a request of another kind does not change what is known."""
    servable = Servable()
    plan = PredictPlan(servable, SIGNATURE)
    for sent in ("abc", "ab", "abc", "ab"):
        assert len(plan.bind({name: tensor(1) for name in sent}).tensors) == 3
    assert len(servable.resolved) == 2


def test_wrong_inputs_are_refused_each_time() -> None:
    """With the signature's own words, and nothing is kept of them."""
    plan = PredictPlan(Servable(), SIGNATURE)
    for _ in range(2):
        with pytest.raises(ServingError, match="input size does not match signature"):
            plan.bind({name: tensor(1) for name in "abcd"})


def test_what_is_kept_is_bounded() -> None:
    """A hostile client sends its inputs in ever new orders; each is answered, and memory stays as it is."""
    names = "abcdefgh"
    servable = Servable()
    plan = PredictPlan(servable, Signature(name="s", inputs=infos(names), outputs=infos("y")))
    orders = [names[index:] + names[:index] for index in range(8)]
    kinds = [order[:swap] + order[swap + 1 :] + order[swap] for order in orders for swap in range(7)]
    kinds += (
        [kind[::-1] for kind in kinds]
        + [kind[4:] + kind[:4] for kind in kinds]
        + [kind[2:4] + kind[:2] + kind[4:] for kind in kinds]
    )
    kinds += [kind[1:3] + kind[0] + kind[3:] for kind in kinds]
    for kind in dict.fromkeys(kinds):
        plan.bind({name: tensor(1) for name in kind})
    worked_out = len(servable.resolved)
    assert worked_out > 256
    plan.bind({name: tensor(1) for name in list(dict.fromkeys(kinds))[-1]})
    assert len(servable.resolved) == worked_out + 1
