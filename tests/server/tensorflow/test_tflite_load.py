"""Loading TensorFlow Lite files: their signatures, files that cannot be served, and what a process needs for it."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.tensor import DataType
from serving.errors import Code, ServingError
from serving.servables import tflite_signatures
from serving.servables.tflite_interpreter import TfliteTensor
from tests.server.tensorflow.lite import lite, only
from tests.support.models import call, floats

ROOT = Path(__file__).parents[3]
SIBLING_MODELS = ROOT.parent / "shared" / "models"


def failure(path: Path) -> ServingError:
    """The error that loading ``path`` raises."""
    with pytest.raises(ServingError) as raised, lite(path):
        pass
    return raised.value


def test_signature_is_made_of_the_tensors(other_kinds: Path) -> None:
    """Without signatures in the metadata there is one for Predict; its aliases are the names before the colon."""
    with lite(other_kinds / "half_plus_two.tflite") as servable:
        assert list(servable.signatures) == ["serving_default"]
        signature = servable.signatures["serving_default"]
        assert signature.method_name == "tensorflow/serving/predict"
        (info,) = signature.inputs.values()
        assert (info.name, info.dtype, info.shape) == ("serving_default_x:0", DataType.FLOAT, (1,))
        assert only(servable) == ("serving_default_x", "PartitionedCall")


def test_signatures_of_the_metadata_are_served(other_kinds: Path) -> None:
    """Every SignatureDef of the metadata is there under its name, with its aliases and its method name."""
    with lite(other_kinds / "signatures.tflite") as servable:
        assert {name: only(servable, name) for name in servable.signatures} == {
            "serving_default": ("given", "made"),
            "again": ("x", "y"),
        }
        assert servable.signatures["again"].method_name == "anything"
        assert call(servable, {"x": floats(1, 5)}, "again")["y"].array.tolist() == [2.5, 4.5]


def test_last_of_equal_aliases_wins(other_kinds: Path) -> None:
    """Two outputs that differ behind the colon alone make one alias, as in TensorFlow Serving."""
    with lite(other_kinds / "pair.tflite") as servable:
        given_alias, made_alias = only(servable)
        assert servable.signatures["serving_default"].outputs[made_alias].name == "PartitionedCall:1"
        assert len(call(servable, {given_alias: floats(1)})) == 1


@pytest.mark.parametrize(
    ("file", "code", "start"),
    [
        pytest.param(
            "unknown_tensor",
            Code.INTERNAL,
            "Unknown tensor 'elsewhere:0'.\n\tSignature input x references an unknown tensor",
            id="signature of an unknown tensor",
        ),
        pytest.param(
            "bad_signatures",
            Code.INVALID_ARGUMENT,
            "Invalid SignatureDefs found in TfLite model: ",
            id="unreadable signature",
        ),
        pytest.param(
            "parse",
            Code.INTERNAL,
            "Failed to allocate tensors\nEncountered unresolved custom op: ParseExample",
            id="operation that the package lacks",
        ),
        pytest.param("absent", Code.NOT_FOUND, "", id="no file"),
    ],
)
def test_files_that_cannot_be_served(other_kinds: Path, file: str, code: Code, start: str) -> None:
    """The texts are TensorFlow Serving's, and say what it leaves out."""
    error = failure(other_kinds / f"{file}.tflite")
    assert error.code is code
    assert error.message.startswith(start)


@pytest.mark.parametrize("data", [b"", b"no model", bytes(1000)], ids=["empty", "text", "zeros"])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    """What is no TensorFlow Lite file is INVALID_ARGUMENT."""
    (tmp_path / "model.tflite").write_bytes(data)
    error = failure(tmp_path / "model.tflite")
    assert (error.code, error.message) == (Code.INVALID_ARGUMENT, "Cannot build FlatBufferModel from buffer.")


@given(st.data())
def test_damaged_metadata_is_an_error_at_most(other_kinds: Path, data: st.DataObject) -> None:
    """Whatever bytes the file has, reading its signatures gives some or raises ServingError."""
    model = bytearray((other_kinds / "signatures.tflite").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.integers(0, 255))
    ends = {name: TfliteTensor(name, 0, DataType.FLOAT, ()) for name in ("serving_default_x:0", "PartitionedCall:0")}
    with suppress(ServingError):
        assert tflite_signatures.definitions(bytes(model), ends, ends)


def test_missing_package_is_said(other_kinds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package a file is not served, and the error says what to install or to leave out."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    error = failure(other_kinds / "half_plus_two.tflite")
    assert error.code is Code.FAILED_PRECONDITION
    assert "ai-edge-litert" in error.message
    assert "--prefer_tflite_model" in error.message


def test_tensorflow_is_not_used(other_kinds: Path) -> None:
    """A process that serves a TensorFlow Lite file loads neither TensorFlow's Python nor its library."""
    code = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from serving.servables.tflite import load_tflite
with ThreadPoolExecutor(1) as executor:
    load_tflite(Path(sys.argv[1]), interpreters=1, threads=1, executor=executor)
maps = Path("/proc/self/maps")
libraries = maps.read_text() if maps.exists() else ""
json.dump(["tensorflow" in sys.modules, "libtensorflow" in libraries], sys.stdout)
"""
    arguments = [sys.executable, "-c", code, str(other_kinds / "half_plus_two.tflite")]
    result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == [False, False]


@pytest.mark.skipif(not SIBLING_MODELS.is_dir(), reason="TensorFlow Serving's test models are not beside the checkout")
@pytest.mark.parametrize("model", ["saved_model_half_plus_two_tflite", "saved_model_half_plus_two_tflite_with_sigdef"])
def test_tensorflow_servings_own_test_files(model: str) -> None:
    """Both of its TensorFlow Lite files answer under the aliases x and y."""
    with lite(SIBLING_MODELS / model / "00000123" / "model.tflite") as servable:
        assert only(servable) == ("x", "y")
        assert call(servable, {"x": floats(1, 2, 5)})["y"].array.tolist() == [2.5, 3.0, 4.5]
