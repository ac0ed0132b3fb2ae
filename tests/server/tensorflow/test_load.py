"""Loading SavedModels: TF1 and TF2 alike, options, and the errors that operators read."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from serving.core.tensor import DataType
from serving.errors import Code, ServingError
from serving.protos import ConfigProto
from serving.servables.saved_model import SavedModelOptions, load_saved_model
from tests.support.models import call, floats, loaded, tensor

SIBLING_MODELS = Path(__file__).parents[4] / "shared" / "models"
"""TensorFlow Serving's own test models, where a checkout has them beside it."""
NOT_SAVED_MODELS = ("session_bundle", "bad_")


def failure(path: Path, options: SavedModelOptions | None = None) -> ServingError:
    """The error that loading ``path`` raises."""
    with ThreadPoolExecutor(1) as executor, pytest.raises(ServingError) as raised:
        load_saved_model(path, options or SavedModelOptions(), executor)
    return raised.value


def test_tf1_model_answers(models: Path) -> None:
    """A TF1 graph with variables restores them and an asset, and answers."""
    with loaded(models / "half_plus_two" / "123") as servable:
        assert call(servable, {"x": tensor(DataType.FLOAT, [[1], [5]])})["y"].array.tolist() == [[2.5], [4.5]]


def test_tf2_model_answers(models: Path) -> None:
    """A TF2 module restores its variables and answers through its signature."""
    with loaded(models / "half_plus_three" / "1") as servable:
        assert call(servable, {"x": floats(1, 2, 5)})["y"].array.tolist() == [3.5, 4.0, 5.5]


def test_versions_keep_their_own_variables(models: Path) -> None:
    """Two versions loaded at once do not share state."""
    one = {"x": tensor(DataType.FLOAT, [[3]])}
    with loaded(models / "half_plus_two" / "123") as half, loaded(models / "half_plus_two" / "124") as third:
        assert (call(half, one)["y"].array.item(), call(third, one)["y"].array.item()) == (3.5, 3.0)


def test_matrix_multiplication_runs(models: Path) -> None:
    """A TF2 network gives probabilities that add up to one and the index of the best."""
    with loaded(models / "mnist" / "1") as servable:
        outputs = call(servable, {"images": tensor(DataType.FLOAT, np.linspace(0, 1, 2 * 784).reshape(2, 784))})
    probabilities = outputs["probabilities"].array
    assert probabilities.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert outputs["digit"].dtype is DataType.INT64
    assert outputs["digit"].array.tolist() == probabilities.argmax(axis=1).tolist()


def test_signatures_are_kept_as_messages(models: Path) -> None:
    """Metadata needs every SignatureDef as it was saved, also TF2's own."""
    with loaded(models / "half_plus_three" / "1") as servable:
        assert set(servable.signature_defs) == {"serving_default", "__saved_model_init_op"}
        assert servable.signature_defs["serving_default"].inputs["x"].tensor_shape.dim[0].size == -1


def test_equal_combinations_share_a_run(models: Path) -> None:
    """The same feeds and fetches are resolved once, others anew."""
    with loaded(models / "half_plus_two" / "123") as servable:
        run = servable.resolve(("x:0",), ("y:0",))
        assert servable.resolve(("x:0",), ("y:0",)) is run
        assert servable.resolve(("x:0",), ("y:0", "y2:0")) is not run


def test_kept_combinations_are_bounded(models: Path) -> None:
    """Beyond a few hundred combinations a call resolves anew, and still answers."""
    with loaded(models / "half_plus_two" / "123") as servable:
        runs = [servable.resolve(("x:0",), ("y:0",) * (count + 1)) for count in range(300)]
        assert servable.resolve(("x:0",), ("y:0",)) is runs[0]
        assert servable.resolve(("x:0",), ("y:0",) * 300) is not runs[-1]
        outputs = runs[-1]([tensor(DataType.FLOAT, [[1]])], 0)
        assert [output.array.item() for output in outputs] == [2.5] * 300


@pytest.mark.parametrize(
    ("model", "code", "text"),
    [
        pytest.param(
            "empty",
            Code.NOT_FOUND,
            "Specified file path does not appear to contain a SavedModel bundle (should have a file called "
            "`saved_model.pb`)\nSpecified file path: {path}",
            id="no saved_model.pb",
        ),
        pytest.param(
            "broken",
            Code.DATA_LOSS,
            "Can't parse {path}/saved_model.pb as binary proto",
            id="unreadable saved_model.pb",
        ),
    ],
)
def test_what_cannot_be_loaded(models: Path, model: str, code: Code, text: str) -> None:
    """Code and text are TensorFlow Serving's."""
    path = models / model / "1"
    error = failure(path)
    assert (error.code, error.message) == (code, text.format(path=path))


@pytest.mark.parametrize(
    ("tags", "shown"),
    [pytest.param(("train",), "{ train }", id="other"), pytest.param(("serve", "gpu"), "{ gpu serve }", id="superset")],
)
def test_tags_must_be_equal(models: Path, tags: tuple[str, ...], shown: str) -> None:
    """A MetaGraph with other tags than those asked for is not loaded."""
    error = failure(models / "matrix" / "1", SavedModelOptions(tags=tags))
    assert error.code is Code.NOT_FOUND
    assert error.message.startswith(f"Could not find meta graph def matching supplied tags: {shown}. To inspect")


def test_bad_session_config_is_an_error(models: Path) -> None:
    """A ConfigProto that cannot be parsed is TensorFlow's INVALID_ARGUMENT."""
    error = failure(models / "matrix" / "1", SavedModelOptions(session_config=b"\xff\xff"))
    assert error.code is Code.INVALID_ARGUMENT


def test_session_config_is_accepted(models: Path) -> None:
    """A model loads and answers with thread counts of its own."""
    config = ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    options = SavedModelOptions(session_config=config.SerializeToString())
    with loaded(models / "matrix" / "1", options) as servable:
        assert call(servable, {"x": tensor(DataType.FLOAT, np.ones((1, 3, 3)))})["y"].array.tolist() == [
            [[2.5] * 3] * 3
        ]


@pytest.mark.skipif(not SIBLING_MODELS.is_dir(), reason="TensorFlow Serving's test models are not beside the checkout")
def test_tensorflow_servings_own_test_models_load() -> None:
    """Every SavedModel of TensorFlow Serving's test data loads."""
    versions = [path.parent for path in sorted(SIBLING_MODELS.glob("*/*/saved_model.pb"))]
    wanted = [path for path in versions if not any(word in str(path) for word in (*NOT_SAVED_MODELS, "tflite"))]
    assert wanted
    for path in wanted:
        with loaded(path) as servable:
            assert servable.signatures, path
