"""SessionBundles: variables, assets and signatures of TensorFlow 0.x's exports, and exports that lack something."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.core.plans import Plans
from serving.core.results import Regression
from serving.core.tensor import DataType
from serving.errors import Code, ServingError
from serving.inference.classify import CLASSIFY
from serving.inference.operations import check_method
from serving.inference.regress import REGRESS
from serving.protos import Example, MetaGraphDef, message
from serving.servables.bundle_signatures import GraphTensor, convert
from serving.servables.saved_model import SavedModelOptions, SavedModelServable
from serving.servables.session_bundle import load_session_bundle
from tests.support.models import call, floats, strings

SIBLING_MODELS = Path(__file__).parents[4] / "shared" / "models"
SIBLINGS = pytest.mark.skipif(
    not SIBLING_MODELS.is_dir(), reason="TensorFlow Serving's test models are not beside the checkout"
)

Signatures = message("tensorflow.serving.Signatures")
TensorInfo = message("tensorflow.TensorInfo")


@contextmanager
def bundle(path: Path) -> Iterator[SavedModelServable]:
    """A loaded export, closed at the end."""
    with ThreadPoolExecutor(2) as executor:
        servable = load_session_bundle(path, SavedModelOptions(), executor)
        try:
            yield servable
        finally:
            servable.close()


@pytest.fixture(scope="module")
def tutorial(other_kinds: Path) -> Iterator[SavedModelServable]:
    """An export as the old tutorials made them."""
    with bundle(other_kinds / "tutorial" / "1") as servable:
        yield servable


def example(x: float) -> bytes:
    """A serialised Example with the feature ``x``."""
    made = Example()
    made.features.feature["x"].float_list.value.append(x)
    return bytes(made.SerializeToString())


def failure(path: Path) -> ServingError:
    """The error that loading ``path`` raises."""
    with pytest.raises(ServingError) as raised, bundle(path):
        pass
    return raised.value


def predicted(servable: SavedModelServable, name: str = "serving_default") -> tuple[list[str], list[str]]:
    """The input and output aliases that Predict has for a signature name."""
    signature = Plans(servable).signatures[name]
    check_method(signature)
    return list(signature.inputs), list(signature.outputs)


@pytest.mark.parametrize("model", ["tutorial", "file", "new"])
def test_variables_are_restored(other_kinds: Path, model: str) -> None:
    """A sharded checkpoint, one in a single file, and one of TensorFlow 1 with an index give the trained values."""
    with bundle(other_kinds / model / "1") as servable:
        run = servable.resolve(("x:0",), ("y:0",))
        assert run([floats(1, 2, 5)], 0)[0].array.tolist() == [2.5, 3.0, 4.5]


def test_initialisation_reads_assets(tutorial: SavedModelServable) -> None:
    """The init operation runs after the restore and finds the asset file where the export has it."""
    (text,) = tutorial.resolve((), ("text/read:0",))([], 0)
    assert text.array.item() == b"an asset"


def test_default_signature_takes_examples(tutorial: SavedModelServable) -> None:
    """A default regression signature is what Regress calls by default."""
    plan = REGRESS.plan(Plans(tutorial), "serving_default", check_method_name=True)
    outputs = dict(zip(plan.outputs, plan.run([strings(example(3), example(4))], 0), strict=True))
    result = REGRESS.result(outputs, 2)
    assert isinstance(result, Regression)
    assert result.values.tolist() == [3.5, 4.0]


def test_predict_takes_the_pair_by_default(tutorial: SavedModelServable) -> None:
    """The generic signatures named inputs and outputs are what Predict calls by default, as in old releases."""
    assert predicted(tutorial) == (["x"], ["y"])
    assert call(tutorial, {"x": floats(1, 5)}, "predict")["y"].array.tolist() == [2.5, 4.5]


def test_named_classification_signature(tutorial: SavedModelServable) -> None:
    """A named classification signature keeps its name and has Classify's aliases; absent scores are left out."""
    assert CLASSIFY.checked_ends(tutorial, "words", check_method_name=True).fetches == {"classes": "words:0"}
    assert call(tutorial, {"inputs": floats(1)}, "words")["classes"].array.tolist() == [[b"2.5"]]


def test_generic_signature_feeds_placeholders(tutorial: SavedModelServable) -> None:
    """A generic signature on its own takes its placeholders and gives the rest."""
    assert predicted(tutorial, "everything") == (["x"], ["text", "y"])
    assert call(tutorial, {"x": floats(1)}, "everything")["y"].array.tolist() == [2.5]


def test_generic_default_signature_is_predicted_with(other_kinds: Path) -> None:
    """A default generic signature is called by Predict, also if it names an operation in place of its tensor."""
    with bundle(other_kinds / "file" / "1") as servable:
        assert call(servable, {"x": floats(1)})["y"].array.tolist() == [2.5]
        assert servable.signature_defs["serving_default"].outputs["y"].name == "y:0"


def test_signatures_have_types_and_shapes(tutorial: SavedModelServable) -> None:
    """The format has only names; types and shapes, by which REST reads JSON, come from the graph."""
    given = tutorial.signatures["predict"].inputs["x"]
    assert (given.name, given.dtype, given.shape) == ("x:0", DataType.FLOAT, (-1,))


def change(source: Path, target: Path, edit: Callable[[Any], None]) -> Path:
    """A copy of an export whose MetaGraphDef was edited."""
    shutil.copytree(source, target)
    meta_graph = MetaGraphDef.FromString((target / "export.meta").read_bytes())
    edit(meta_graph)
    (target / "export.meta").write_bytes(meta_graph.SerializeToString())
    return target


def drop_signatures(meta_graph: Any) -> None:
    del meta_graph.collection_def["serving_signatures"]


def name_an_unknown_tensor(meta_graph: Any) -> None:
    signatures = Signatures()
    signatures.default_signature.regression_signature.input.tensor_name = "nowhere:0"
    meta_graph.collection_def["serving_signatures"].any_list.value[0].value = signatures.SerializeToString()


def damage_signatures(meta_graph: Any) -> None:
    meta_graph.collection_def["serving_signatures"].any_list.value[0].value = b"\xff"


def initialise_twice(meta_graph: Any) -> None:
    meta_graph.collection_def["serving_init_op"].node_list.value.extend(["half/Assign", "two/Assign"])


def initialise_by_nothing(meta_graph: Any) -> None:
    meta_graph.collection_def["serving_init_op"].node_list.value.append("nothing")


def use_an_unknown_operation(meta_graph: Any) -> None:
    meta_graph.graph_def.node.add(name="unheard", op="UnheardOf")


@pytest.mark.parametrize(
    ("edit", "code", "text"),
    [
        pytest.param(
            drop_signatures, Code.FAILED_PRECONDITION, "lacks the collection serving_signatures", id="no signatures"
        ),
        pytest.param(
            name_an_unknown_tensor,
            Code.FAILED_PRECONDITION,
            "names the tensor nowhere:0, which its graph lacks",
            id="unknown tensor",
        ),
        pytest.param(damage_signatures, Code.DATA_LOSS, "as binary proto (Signatures)", id="damaged signatures"),
        pytest.param(
            initialise_twice, Code.FAILED_PRECONDITION, "Expected exactly one serving init op", id="two init ops"
        ),
        pytest.param(
            initialise_by_nothing, Code.INVALID_ARGUMENT, "The operation nothing, which", id="unknown init op"
        ),
        pytest.param(
            use_an_unknown_operation, Code.NOT_FOUND, "Op type not registered 'UnheardOf'", id="unknown operation"
        ),
    ],
)
def test_broken_exports(other_kinds: Path, tmp_path: Path, edit: Callable[[Any], None], code: Code, text: str) -> None:
    """What an export lacks is said, in TensorFlow's words or in ours."""
    error = failure(change(other_kinds / "file" / "1", tmp_path / "1", edit))
    assert error.code is code
    assert text in error.message


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        pytest.param(b"", Code.INVALID_ARGUMENT, "has no graph; expected a MetaGraphDef", id="empty"),
        pytest.param(b"\xff\xff", Code.DATA_LOSS, "export.meta as binary proto", id="no message"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, code: Code, text: str) -> None:
    """An export.meta that is no MetaGraphDef with a graph is an error that names it."""
    (tmp_path / "export.meta").write_bytes(data)
    error = failure(tmp_path)
    assert error.code is code
    assert text in error.message


def test_missing_checkpoint_is_an_error(other_kinds: Path, tmp_path: Path) -> None:
    """Without variables TensorFlow says which files it looked for."""
    shutil.copy(other_kinds / "tutorial" / "1" / "export.meta", tmp_path)
    error = failure(tmp_path)
    assert error.code is Code.NOT_FOUND
    assert f"{tmp_path}/export-?????-of-?????" in error.message


def test_a_part_of_the_checkpoint_is_missing(other_kinds: Path, tmp_path: Path) -> None:
    """Of a checkpoint in several files each is needed; the text names the first that is missing."""
    shutil.copytree(other_kinds / "tutorial" / "1", tmp_path, dirs_exist_ok=True)
    (tmp_path / "export-00000-of-00001").rename(tmp_path / "export-00001-of-00002")
    error = failure(tmp_path)
    assert (error.code, error.message) == (
        Code.NOT_FOUND,
        f"The checkpoint of the session bundle {tmp_path} is not complete: expected export-00000-of-00002",
    )
    shutil.copy(other_kinds / "tutorial" / "1" / "export-00000-of-00001", tmp_path)
    (tmp_path / "export-00001-of-00002").unlink()
    with bundle(tmp_path) as servable:
        assert "serving_default" in servable.signatures


def described(name: str) -> GraphTensor:
    """A graph in which ``p`` is a placeholder and every other tensor is computed."""
    return GraphTensor(TensorInfo(name=name, dtype=int(DataType.FLOAT)), name == "p")


def test_pair_is_the_default_where_there_is_no_other() -> None:
    """Without a default signature the pair has its name, and no second one."""
    signatures = Signatures()
    for key, tensor_name in (("inputs", "p"), ("outputs", "q")):
        entry = signatures.named_signatures.add(key=key)
        entry.value.generic_signature.map.add(key="alias").value.tensor_name = tensor_name
    made = convert(signatures, described)
    assert list(made.definitions) == ["serving_default"]
    assert made.predict_default is None
    assert made.definitions["serving_default"].outputs["alias"].name == "q"


def test_half_a_pair_is_a_generic_signature() -> None:
    """Only one of the two names means nothing special: placeholders go in, the rest comes out."""
    signatures = Signatures()
    generic = signatures.named_signatures.add(key="inputs").value.generic_signature
    for name in "pq":
        generic.map.add(key=name).value.tensor_name = name
    made = convert(signatures, described).definitions["inputs"]
    assert (list(made.inputs), list(made.outputs)) == (["p"], ["q"])


@pytest.mark.parametrize("names", ["", "p"], ids=["of no kind", "without an output"])
def test_signatures_that_cannot_be_called_are_left_out(names: str) -> None:
    """A signature of no kind, or of inputs alone, is not served."""
    signatures = Signatures()
    value = signatures.named_signatures.add(key="useless").value
    for name in names:
        value.generic_signature.map.add(key=name).value.tensor_name = name
    assert convert(signatures, described).definitions == {}


def test_pair_leaves_a_signature_of_its_name_alone() -> None:
    """A signature that the export itself calls ``predict`` stays; Predict still takes the pair by default."""
    signatures = Signatures()
    signatures.default_signature.regression_signature.output.tensor_name = "r"
    for key, tensor_name in (("inputs", "p"), ("outputs", "q"), ("predict", "s")):
        entry = signatures.named_signatures.add(key=key)
        entry.value.generic_signature.map.add(key="alias").value.tensor_name = tensor_name
    made = convert(signatures, described)
    assert made.definitions["predict"].outputs["alias"].name == "s"
    assert made.predict_default.outputs["alias"].name == "q"


@SIBLINGS
def test_tensorflow_servings_own_export() -> None:
    """Its half_plus_two answers Predict and Regress."""
    with bundle(SIBLING_MODELS / "session_bundle_half_plus_two" / "00000123") as servable:
        assert predicted(servable) == (["x"], ["y"])
        assert call(servable, {"x": floats(1, 2, 5)}, "predict")["y"].array.tolist() == [2.5, 3.0, 4.5]
        outputs = call(servable, {"inputs": strings(example(3))})["outputs"].array
        np.testing.assert_array_equal(outputs, [[3.5]])


@SIBLINGS
def test_tensorflow_servings_bad_export() -> None:
    """Its bad_half_plus_two has a graph and no signatures, and the error says so."""
    error = failure(SIBLING_MODELS / "bad_half_plus_two" / "00000123")
    assert error.code is Code.FAILED_PRECONDITION
    assert "has no signatures to serve: export.meta lacks the collection serving_signatures" in error.message
