"""The made-up requests of a dry run, on servables with answers of their own."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.doctor.requests import EndlessError, ask
from serving.errors import invalid_argument

Answer = Callable[[Sequence[Tensor]], list[Tensor] | None]
"""The outputs of a call, None if it does not end; raises ServingError."""


class OneInput:
    """A servable with signatures of one input ``x``, in the graph under the name of the signature."""

    signature_defs: Mapping[str, Any] = {}

    def __init__(self, answer: Answer, **inputs: tuple[DataType, tuple[int, ...] | None]) -> None:
        self._answer = answer
        self.signatures = {
            name: Signature(
                name=name,
                inputs={"x": TensorInfo(name=f"{name}:0", dtype=dtype, shape=shape)},
                outputs={"y": TensorInfo(name="y:0", dtype=DataType.FLOAT)},
            )
            for name, (dtype, shape) in inputs.items()
        }

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return _Run(self._answer)

    def close(self) -> None:
        """Nothing to free."""


class _Run:
    inline = False

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return False

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return self._answer(tensors) or []

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        future: Future[list[Tensor]] = Future()
        try:
            outputs = self._answer(tensors)
        except Exception as error:  # noqa: BLE001 - as a thread would
            future.set_exception(error)
        else:
            if outputs is not None:
                future.set_result(outputs)
        return future


def refuse(tensors: Sequence[Tensor]) -> list[Tensor]:
    raise invalid_argument(f"not {tensors[0].array.shape}")


@pytest.mark.parametrize(
    ("dtype", "shape", "taken"),
    [
        pytest.param(DataType.FLOAT, (-1, 3), (1, 3), id="rows"),
        pytest.param(DataType.COMPLEX64, (-1, 3), (1, 3), id="complex"),
        pytest.param(DataType.STRING, (-1,), (1,), id="strings"),
        pytest.param(DataType.STRING, None, (1,), id="strings of any rank"),
        pytest.param(DataType.INT32, (), (), id="scalar"),
    ],
)
def test_inputs(tmp_path: Path, dtype: DataType, shape: tuple[int, ...] | None, taken: tuple[int, ...]) -> None:
    """Whatever the type, there is an input that fits the signature."""
    given: list[Tensor] = []

    def answer(tensors: Sequence[Tensor]) -> list[Tensor]:
        given.extend(tensors)
        return []

    (answered,) = ask(OneInput(answer, a=(dtype, shape)), tmp_path, ("serve",))
    assert (answered.error, given[0].dtype, given[0].array.shape) == ("", dtype, taken)


def test_each_signature_once(tmp_path: Path) -> None:
    """By name, those for the loader apart."""
    vector = (DataType.FLOAT, (-1,))
    servable = OneInput(lambda _: [], b=vector, a=vector, __saved_model_init_op=vector)
    assert [each.signature for each in ask(servable, tmp_path, ("serve",))] == ["a", "b"]


def test_other_sizes_are_tried(tmp_path: Path) -> None:
    """Where the signature leaves a size open, one that is refused is not the end."""

    def only_sevens(tensors: Sequence[Tensor]) -> list[Tensor]:
        return [] if tensors[0].array.shape == (1, 7) else refuse(tensors)

    (answered,) = ask(OneInput(only_sevens, a=(DataType.FLOAT, (-1, -1))), tmp_path, ("serve",))
    assert answered.error == ""


def test_all_are_refused(tmp_path: Path) -> None:
    """The first error, and how many inputs were tried."""
    (answered,) = ask(OneInput(refuse, a=(DataType.FLOAT, (-1, 3))), tmp_path, ("serve",))
    assert (answered.error, answered.tried) == ("INVALID_ARGUMENT: not (1, 3)", 2)


def test_nothing_can_be_made_up(tmp_path: Path) -> None:
    """A handle of a resource has no value that a client could send."""
    (answered,) = ask(OneInput(refuse, a=(DataType.RESOURCE, ())), tmp_path, ("serve",))
    assert (answered.error, answered.tried) == ("no input can be made up for x (resource)", 0)


def test_call_that_does_not_end(tmp_path: Path) -> None:
    """It is not waited for for ever."""
    with pytest.raises(EndlessError):
        list(ask(OneInput(lambda _: None, a=(DataType.FLOAT, (-1,))), tmp_path, ("serve",), patience_seconds=0.0))
