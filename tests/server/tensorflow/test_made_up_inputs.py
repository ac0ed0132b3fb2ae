"""What is made up to show how a version is called: nothing for what keeps state, and no recorded request."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType
from serving.optimizing import made_up_inputs
from serving.protos import message
from tests.support.models import write_string_variable
from tests.unit.optimizing.graphs import meta_graph

X, Y = TensorInfo(name="x:0", dtype=DataType.FLOAT, shape=(-1, 2)), TensorInfo(name="y:0", dtype=DataType.FLOAT)
TAGS = ("serve",)


def signatures(**inputs: TensorInfo) -> Mapping[str, Signature]:
    return {name: Signature(name=name, inputs={"x": info}, outputs={"y": Y}) for name, info in inputs.items()}


def write(path: Path, graph: Any) -> Path:
    saved_model = message("tensorflow.SavedModel")()
    saved_model.meta_graphs.add().CopyFrom(graph)
    saved_model.meta_graphs[0].meta_info_def.tags.append("serve")
    (path / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    return path


def made(path: Path, signatures: Mapping[str, Signature]) -> dict[str, list[tuple[int, ...]]]:
    """The shapes of what is made up first."""
    found = made_up_inputs.made_up_inputs(path, TAGS, signatures)
    return {name: [tensor.array.shape for tensor in next(each)] for name, each in found.items()}


def test_one_row(tmp_path: Path) -> None:
    """Where the number of rows is open there is one."""
    assert made(write(tmp_path, meta_graph("x = Placeholder()", "y = Relu(x)")), signatures(s=X)) == {"s": [(1, 2)]}


def test_strings_are_of_the_kind_that_the_graph_takes(tmp_path: Path) -> None:
    """A number in words, where numbers are read from strings."""
    path = write(tmp_path, meta_graph("x = Placeholder()", "y = StringToNumber(x)"))
    strings = signatures(s=TensorInfo(name="x:0", dtype=DataType.STRING, shape=(-1,)))
    (tensor,) = next(made_up_inputs.made_up_inputs(path, TAGS, strings)["s"])
    assert float(tensor.array[0]) == 0.5


def test_what_keeps_state_is_not_tried(tmp_path: Path) -> None:
    """Neither a signature that changes a variable nor one that reads it then."""
    write_string_variable(tmp_path)
    text = TensorInfo(name="s:0", dtype=DataType.STRING, shape=(-1,))
    given = {
        "assign": Signature(name="assign", inputs={"s": text}, outputs={"out": TensorInfo(name="assigned:0", dtype=7)}),  # type: ignore[arg-type]
        "read": Signature(name="read", inputs={"s": text}, outputs={"out": TensorInfo(name="read:0", dtype=7)}),  # type: ignore[arg-type]
    }
    assert made(tmp_path, given) == {}


def test_signatures_for_the_loader_are_not_called(tmp_path: Path) -> None:
    """Nor are those without inputs."""
    path = write(tmp_path, meta_graph("x = Placeholder()", "y = Relu(x)"))
    without = {"n": Signature(name="n", inputs={}, outputs={"y": Y})}
    assert made(path, {**signatures(__saved_model_init_op=X), **without}) == {}


@pytest.mark.parametrize("data", [None, b"", b"garbage"], ids=["gone", "empty", "damaged"])
def test_graphs_that_cannot_be_read(tmp_path: Path, data: bytes | None) -> None:
    """Files may have changed since the version was loaded; nobody knows then what keeps state."""
    if data is not None:
        (tmp_path / "saved_model.pb").write_bytes(data)
    assert made(tmp_path, signatures(s=X)) == {}


def test_large_graphs_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading one would hold up everybody."""
    monkeypatch.setattr(made_up_inputs, "MAX_GRAPH_BYTES", 10)
    assert made(write(tmp_path, meta_graph("x = Placeholder()", "y = Relu(x)")), signatures(s=X)) == {}


def test_tensorflow_lite(tmp_path: Path) -> None:
    """It has no such graph, and numbers will do; strings are not made up."""
    (tmp_path / "model.tflite").write_bytes(b"")
    strings = TensorInfo(name="x:0", dtype=DataType.STRING, shape=(-1,))
    found = made_up_inputs.made_up_inputs(tmp_path, TAGS, signatures(numbers=X, strings=strings))
    assert {name: len(list(each)) for name, each in found.items()} == {"numbers": 1, "strings": 0}
