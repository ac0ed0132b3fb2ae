"""SavedModels whose files are not all there: what TensorFlow would load as if nothing was missing fails to load."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving.errors import Code, ServingError
from serving.protos import message
from serving.servables.checkpoint import restored_variable
from serving.servables.saved_model import SavedModelOptions, load_saved_model
from tests.support.models import call, floats, loaded

SavedModel = message("tensorflow.SavedModel")
INDEX = "variables/variables.index"
ASSET = "assets/words.txt"


def refusal(path: Path) -> str:
    """The text with which loading fails, because something was not found."""
    with ThreadPoolExecutor(1) as executor, pytest.raises(ServingError) as raised:
        load_saved_model(path, SavedModelOptions(), executor)
    assert raised.value.code is Code.NOT_FOUND
    return raised.value.message


def read(path: Path) -> Any:
    return SavedModel.FromString((path / "saved_model.pb").read_bytes())


def write(path: Path, saved_model: Any) -> None:
    (path / "saved_model.pb").write_bytes(saved_model.SerializeToString())


@pytest.fixture(params=["half_plus_two/123", "half_plus_three/1"])
def version(models: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of a model with variables, TF1's and TF2's."""
    return Path(shutil.copytree(models / request.param, tmp_path / "version"))


def test_without_index(version: Path) -> None:
    """A model with variables and no index of its checkpoint, which TensorFlow would load, fails; the file is named."""
    (version / INDEX).unlink()
    text = refusal(version)
    assert text.startswith("The SavedModel has variables to restore, such as ")
    assert text.endswith(f"but its checkpoint is missing or not complete: expected {version / INDEX}")


def test_without_checkpoint(version: Path) -> None:
    """So it does without the whole directory of variables."""
    shutil.rmtree(version / "variables")
    assert refusal(version).endswith(f"expected {version / INDEX}")


def test_without_data(version: Path) -> None:
    """Of weights that are missing TensorFlow itself says where it wanted them."""
    (data,) = (version / "variables").glob("*.data-*")
    data.unlink()
    assert str(data) in refusal(version)


def test_variables_that_nobody_restores(version: Path) -> None:
    """A model whose saver is gone, or restores nothing, loads without a checkpoint, as in TensorFlow Serving."""
    shutil.rmtree(version / "variables")
    saved_model = read(version)
    saved_model.meta_graphs[0].saver_def.restore_op_name = "x"
    write(version, saved_model)
    with loaded(version) as servable:
        assert "serving_default" in servable.signatures
    saved_model.meta_graphs[0].ClearField("saver_def")
    write(version, saved_model)
    with loaded(version) as servable:
        assert "serving_default" in servable.signatures


def test_a_module_without_variables(models: Path) -> None:
    """TF2 restores the description of its objects from every export; that alone needs no checkpoint."""
    saved_model = read(models / "half_plus_three" / "1")
    (meta_graph,) = saved_model.meta_graphs
    assert restored_variable(meta_graph.SerializeToString()) is not None
    for function in meta_graph.graph_def.library.function:
        for node in function.node_def:
            if node.name.startswith("RestoreV2") and node.op == "Const":
                node.attr["value"].tensor.string_val[:] = [b"_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert restored_variable(meta_graph.SerializeToString()) is None


def test_an_asset_that_is_missing(models: Path, tmp_path: Path) -> None:
    """A TF2 model that names an asset loads only with it, though nothing may read it before the first call."""
    version = Path(shutil.copytree(models / "half_plus_three" / "1", tmp_path / "version"))
    saved_model = read(version)
    (meta_graph,) = saved_model.meta_graphs
    constant = meta_graph.graph_def.node.add(name="asset", op="Const")
    constant.attr["dtype"].type = constant.attr["value"].tensor.dtype = 7
    constant.attr["value"].tensor.tensor_shape.SetInParent()
    constant.attr["value"].tensor.string_val.append(b"words.txt")
    meta_graph.asset_file_def.add(filename="words.txt").tensor_info.name = "asset:0"
    write(version, saved_model)
    assert refusal(version) == (
        f"The SavedModel names assets that are missing: expected words.txt in {version / 'assets'}"
    )
    (version / "assets").mkdir(exist_ok=True)
    (version / ASSET).write_bytes(b"one\n")
    with loaded(version) as servable:
        assert call(servable, {"x": floats(1)})["y"].array.tolist() == [3.5]


def test_a_refused_model_leaves_nothing(version: Path) -> None:
    """Each refused load closes what it had opened: files do not grow with the attempts."""
    (version / INDEX).unlink()
    refusal(version)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        refusal(version)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
