"""The lines that end a start, and the command to try in them."""

from collections.abc import Mapping

import pytest

from serving import welcome
from serving.core.manager import Manager
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType
from tests.support import FakeServable, loads, settle

FLOAT, STRING = DataType.FLOAT, DataType.STRING
Inputs = Mapping[str, tuple[DataType, tuple[int, ...] | None]]


def signature(inputs: Inputs) -> Signature:
    """A signature with inputs of these data types and shapes."""
    infos = {alias: TensorInfo(name=alias, dtype=dtype, shape=shape) for alias, (dtype, shape) in inputs.items()}
    return Signature(name="serving_default", inputs=infos, outputs={})


class WithSignature(FakeServable):
    """A servable with one signature."""

    def __init__(self, name: str, inputs: Inputs) -> None:
        super().__init__()
        self._signatures = {name: signature(inputs)}

    @property
    def signatures(self) -> Mapping[str, Signature]:
        return self._signatures


def manager(**models: tuple[Inputs, list[int]]) -> Manager:
    """A manager that serves these versions of these models."""
    made = Manager()
    for name, (inputs, versions) in models.items():
        made.set_aspired(name, {version: loads(WithSignature("serving_default", inputs)) for version in versions})
    settle(made)
    return made


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param({"x": (FLOAT, (-1,))}, [1.0, 2.0, 5.0], id="vector"),
        pytest.param({"x": (FLOAT, ())}, [1.0, 2.0, 5.0], id="scalar"),
        pytest.param({"x": (FLOAT, None)}, [1.0, 2.0, 5.0], id="unknown rank"),
        pytest.param({"x": (DataType.INT64, (-1,))}, [1, 2, 5], id="integers"),
        pytest.param({"x": (FLOAT, (-1, 2))}, [[1.0, 1.0]], id="rows"),
        pytest.param({"x": (FLOAT, (-1, 2, 3))}, [[[1.0] * 3] * 2], id="matrices"),
        pytest.param({"x": (FLOAT, (-1, -1))}, [[1.0]], id="unknown width"),
        pytest.param({"x": (DataType.UINT32, (-1, 64))}, [[1] * 64], id="just short enough"),
        pytest.param({"a": (FLOAT, (-1, 2)), "b": (DataType.INT32, (-1,))}, [{"a": [1.0, 1.0], "b": 1}], id="named"),
    ],
)
def test_example_fits_dtypes_and_shapes(inputs: Inputs, expected: list[object]) -> None:
    """One instance, or three numbers where an instance is one number; ints for integers, floats for floats."""
    body = welcome.example_body(signature(inputs))
    assert body is not None
    assert repr(body) == repr({"instances": expected})


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({}, id="no inputs"),
        pytest.param({"x": (STRING, (-1,))}, id="strings"),
        pytest.param({"x": (FLOAT, (-1,)), "s": (STRING, (-1,))}, id="strings too"),
        pytest.param({"x": (FLOAT, (-1, 65))}, id="long"),
        pytest.param({"x": (FLOAT, (-1, 224, 224, 3))}, id="image"),
        pytest.param({"x": (DataType.BFLOAT16, (-1,))}, id="bit patterns"),
    ],
)
def test_no_example_is_made_up(inputs: Inputs) -> None:
    """What nobody would type, or nobody can guess, is left out."""
    assert welcome.example_body(signature(inputs)) is None


def test_lines_name_models_versions_and_ports() -> None:
    """What is served, where, and a command to copy."""
    served = manager(half=({"x": (FLOAT, (-1,))}, [3]), longer=({"x": (FLOAT, (-1,))}, [1, 2]))
    assert welcome.lines(served, ["half", "longer"], 8501, 8500) == [
        "Serving over gRPC on port 8500 and REST on port 8501:",
        "  half    version 3",
        "  longer  versions 2, 1",
        "Try it:",
        "  curl -d '{\"instances\": [1.0, 2.0, 5.0]}' 'http://localhost:8501/v1/models/half:predict'",
    ]


def test_versions_that_do_not_serve_are_not_named() -> None:
    """Only what is available counts."""
    served = manager(m=({}, [1]))
    served.set_aspired("m", {2: loads(FakeServable())})
    settle(served)
    assert welcome.lines(served, ["m"], 0, 8500)[1] == "  m  version 2"


def test_without_rest_there_is_nothing_to_try() -> None:
    """curl does not speak gRPC."""
    served = manager(m=({"x": (FLOAT, (-1,))}, [1]))
    assert welcome.lines(served, ["m"], 0, 8500) == ["Serving over gRPC on port 8500:", "  m  version 1"]


def test_no_models() -> None:
    """An empty configuration is served without an example."""
    assert welcome.lines(Manager(), [], 8501, 8500) == ["Serving over gRPC on port 8500 and REST on port 8501:"]


def test_example_is_of_the_first_model_that_has_one() -> None:
    """A model of strings is passed over for one of numbers."""
    served = manager(text=({"s": (STRING, (-1,))}, [1]), numbers=({"x": (FLOAT, (-1,))}, [1]))
    assert welcome.lines(served, ["text", "numbers"], 8501, 8500)[-1].endswith("/v1/models/numbers:predict'")


@pytest.mark.parametrize("name", ["serving_default", "other"])
def test_status_is_the_example_where_no_call_can_be_made_up(name: str) -> None:
    """A GET always works."""
    served = Manager()
    served.set_aspired("m", {1: loads(WithSignature(name, {"s": (STRING, (-1,))}))})
    settle(served)
    assert welcome.lines(served, ["m"], 8501, 8500)[-1] == "  curl 'http://localhost:8501/v1/models/m'"


def test_a_note_comes_last() -> None:
    """What is worth knowing and urgent to nobody does not part the lines before it."""
    text = welcome.lines(manager(m=({"x": (FLOAT, (-1,))}, [1])), ["m"], 1, 2, note="The variant cpu-avx2 is faster")
    assert text[-1] == "The variant cpu-avx2 is faster"
    assert text[0].startswith("Serving over ")


def test_the_page_has_a_line_for_whoever_may_have_a_key() -> None:
    """Where there is a page its address stands behind the models, and no command where not anybody may call."""
    served = manager(m=({"x": (FLOAT, (-1,))}, [1]))
    text = welcome.lines(served, ["m"], 8501, 0, https=True, anybody=False, page=True)
    assert text[-1] == "In a browser: https://localhost:8501/ui/"
    assert not any(line.startswith("In a browser") for line in welcome.lines(served, ["m"], 0, 8500, page=True))
