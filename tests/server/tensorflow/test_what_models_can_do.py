"""What SECURITY.md says of SavedModels: they read and write files as the server's user may, and run no Python."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError
from serving.protos import message
from tests.support.models import call, loaded

STRING = DataType.STRING.value


def write(version: Path, operation: str, *inputs: str, output: str = "", **attributes: Any) -> Path:
    """A model with one operation, between the string ``s`` and the output ``out``, which is ``s`` if there is none."""
    saved_model = message("tensorflow.SavedModel")(saved_model_schema_version=1)
    meta_graph = saved_model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    nodes = meta_graph.graph_def.node
    placeholder = nodes.add(name="s", op="Placeholder")
    placeholder.attr["dtype"].type = STRING
    placeholder.attr["shape"].shape.SetInParent()
    node = nodes.add(name="it", op=operation, input=inputs)
    for name, value in attributes.items():
        if isinstance(value, list):
            node.attr[name].list.type.extend(value)
        else:
            node.attr[name].s = value
    nodes.add(name="done", op="Identity", input=[output or "s", "^it"]).attr["T"].type = STRING
    signature = meta_graph.signature_def["serving_default"]
    for info, tensor in ((signature.inputs["s"], "s:0"), (signature.outputs["out"], "done:0")):
        info.name, info.dtype = tensor, STRING
        info.tensor_shape.SetInParent()
    version.mkdir()
    (version / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    return version


def answer(version: Path, text: str) -> Any:
    """What the model says of a string."""
    given = np.empty((), object)
    given[()] = text.encode()
    with loaded(version) as servable:
        return call(servable, {"s": Tensor(DataType.STRING, given)})["out"].array.item()


def test_it_reads_files(tmp_path: Path) -> None:
    """Any that its client names, if it was made so."""
    (tmp_path / "secret").write_text("of others")
    assert answer(write(tmp_path / "m", "ReadFile", "s", output="it"), str(tmp_path / "secret")) == b"of others"


def test_it_writes_files(tmp_path: Path) -> None:
    """Here one by the name that it writes."""
    answer(write(tmp_path / "m", "WriteFile", "s", "s"), str(tmp_path / "written"))
    assert (tmp_path / "written").read_text() == str(tmp_path / "written")


@pytest.mark.parametrize("operation", ["EagerPyFunc", "PyFunc", "PyFuncStateless"])
def test_it_runs_no_python(tmp_path: Path, operation: str) -> None:
    """What Python's TensorFlow makes of functions in Python has no kernel."""
    version = write(tmp_path / "m", operation, "s", token=b"pyfunc_0", Tin=[STRING], Tout=[STRING])
    with pytest.raises(ServingError, match=f"No OpKernel was registered to support Op '{operation}'"):
        answer(version, "")
