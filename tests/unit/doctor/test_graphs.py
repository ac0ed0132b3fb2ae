"""What is told of a SavedModel's graph without loading it, on graphs written as protos."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from serving.core.servable import ServableId
from serving.core.tensor import DataType
from serving.doctor.finding import Level
from serving.doctor.graphs import look
from serving.doctor.versions import Version
from serving.protos import message
from tests.unit.doctor.rows import fill, level, only

SERVE = ("serve",)


def saved_model(*signatures: str, tags: tuple[str, ...] = SERVE) -> Any:
    """One graph with a float ``x`` that each signature gives back."""
    written = message("tensorflow.SavedModel")(saved_model_schema_version=1)
    meta_graph = written.meta_graphs.add()
    meta_graph.meta_info_def.tags.extend(tags)
    meta_graph.graph_def.node.add(name="x", op="Placeholder").attr["dtype"].type = DataType.FLOAT
    for name in signatures:
        meta_graph.signature_def[name].inputs["x"].name = "x:0"
        meta_graph.signature_def[name].outputs["y"].name = "x:0"
    return written


def version(path: Path, model: Any) -> Version:
    path.mkdir(exist_ok=True)
    (path / "saved_model.pb").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return Version(id=ServableId(name="m", version=3), path=path)


def test_signatures(tmp_path: Path) -> None:
    """They are counted and named, the default one first, those for the loader apart."""
    graph, findings = look(version(tmp_path, saved_model("b", "serving_default", "__saved_model_init_op")), SERVE)
    assert graph is not None
    assert graph.named == ["serving_default", "b"]
    assert only(findings, Level.OK).found.endswith("2 signature(s): serving_default, b")


def test_no_default_signature(tmp_path: Path) -> None:
    """Clients that name none are refused, which is no mistake of the server."""
    row = only(look(version(tmp_path, saved_model("b")), SERVE)[1], Level.OK)
    assert "Clients have to name a signature, such as b" in row.advice


def test_no_signature(tmp_path: Path) -> None:
    """It loads, and nobody can call it."""
    row = only(look(version(tmp_path, saved_model("__saved_model_init_op")), SERVE)[1], Level.WARNING)
    assert row.found == "has no signature that can be called"


def test_other_tags(tmp_path: Path) -> None:
    """Those that are there are the ones to give."""
    row = only(look(version(tmp_path, saved_model("a", tags=("serve", "gpu"))), SERVE)[1])
    assert "it has 'serve,gpu'" in row.found
    assert row.advice == "Give --saved_model_tags=serve,gpu"


@pytest.mark.parametrize("data", [b"\xff" * 9, saved_model("a").SerializeToString()[:-3]])
def test_cut_off(tmp_path: Path, data: bytes) -> None:
    """A copy that was not finished."""
    assert "cannot be parsed" in only(look(version(tmp_path, data), SERVE)[1]).found


def test_text_form(tmp_path: Path) -> None:
    """saved_model.pbtxt is as good, if it can be parsed."""
    at = Version(id=ServableId(name="m", version=1), path=tmp_path)
    (tmp_path / "saved_model.pbtxt").write_text(text_format.MessageToString(saved_model("a")))
    assert level(look(at, SERVE)[1], Level.FAILS) == []
    (tmp_path / "saved_model.pbtxt").write_text("nonsense")
    assert "cannot be parsed" in only(look(at, SERVE)[1]).found


def test_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    """TensorFlow would load it and say that all is well."""
    model = saved_model("a")
    meta_graph = model.meta_graphs[0]
    meta_graph.saver_def.restore_op_name = "assign"
    node = meta_graph.graph_def.node
    names = node.add(name="names", op="Const")
    names.attr["value"].tensor.dtype = DataType.STRING
    names.attr["value"].tensor.string_val.append(b"weights")
    node.add(name="restore", op="RestoreV2", input=["path", "names", "slices"])
    node.add(name="assign", op="AssignVariableOp", input=["restore"])
    row = only(look(version(tmp_path, model), SERVE)[1])
    assert "such as weights" in row.found
    assert f"expected {tmp_path}/variables/variables.index" in row.found


def test_asset_that_is_not_there(tmp_path: Path) -> None:
    """TensorFlow would miss it at the first request."""
    model = saved_model("a")
    model.meta_graphs[0].asset_file_def.add(filename="words.txt")
    assert "words.txt" in only(look(version(tmp_path, model), SERVE)[1]).found
    fill(tmp_path, "assets/words.txt")
    assert level(look(version(tmp_path, model), SERVE)[1], Level.FAILS) == []
