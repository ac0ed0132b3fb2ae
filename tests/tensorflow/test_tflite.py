"""TensorFlow Lite files: signatures, shapes, strings, errors, and interpreters shared by threads."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.core.servable import Servable
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.servables import tflite_signatures
from serving.servables.tflite import TfliteServable, load_tflite
from serving.servables.tflite_interpreter import TfliteInterpreter, TfliteTensor
from tests.models import NO_LIMIT, call, floats, resolve, strings, tensor

ROOT = Path(__file__).parents[2]
SIBLING_MODELS = ROOT.parent / "shared" / "models"
LIMIT_SECONDS = 30.0


@contextmanager
def lite(path: Path, interpreters: int = 1) -> Iterator[TfliteServable]:
    """A loaded file, closed at the end."""
    with ThreadPoolExecutor(2) as executor:
        servable = load_tflite(path, interpreters=interpreters, threads=1, executor=executor)
        try:
            yield servable
        finally:
            servable.close()


@pytest.fixture(scope="module")
def half_plus_two(other_kinds: Path) -> Iterator[TfliteServable]:
    with lite(other_kinds / "half_plus_two.tflite") as servable:
        yield servable


@pytest.fixture(scope="module")
def words(other_kinds: Path) -> Iterator[TfliteServable]:
    with lite(other_kinds / "strings.tflite") as servable:
        yield servable


def failure(path: Path) -> ServingError:
    """The error that loading ``path`` raises."""
    with pytest.raises(ServingError) as raised, lite(path):
        pass
    return raised.value


def only(servable: Servable, signature_name: str = "serving_default") -> tuple[str, str]:
    """The one input alias and the one output alias of a signature."""
    signature = servable.signatures[signature_name]
    (given_alias,), (made_alias,) = signature.inputs, signature.outputs
    return given_alias, made_alias


def test_signature_is_made_of_the_tensors(half_plus_two: TfliteServable) -> None:
    """Without signatures in the metadata there is one for Predict; its aliases are the names before the colon."""
    assert list(half_plus_two.signatures) == ["serving_default"]
    signature = half_plus_two.signatures["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    (info,) = signature.inputs.values()
    assert (info.name, info.dtype, info.shape) == ("serving_default_x:0", DataType.FLOAT, (1,))
    assert only(half_plus_two) == ("serving_default_x", "PartitionedCall")


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


@given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
def test_inputs_take_the_shape_of_the_request(half_plus_two: TfliteServable, array: np.ndarray) -> None:
    """Any rank and size is answered in its own shape, whatever the shape before was."""
    given_alias, made_alias = only(half_plus_two)
    outputs = call(half_plus_two, {given_alias: Tensor(DataType.FLOAT, array)})
    assert outputs[made_alias].array.shape == array.shape
    np.testing.assert_array_equal(outputs[made_alias].array, np.float32(0.5) * array + np.float32(2))


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_strings_travel_unchanged(words: TfliteServable, values: list[bytes]) -> None:
    """Strings of any bytes and length go in as ``[batch]`` and come out."""
    given_alias, made_alias = only(words)
    outputs = call(words, {given_alias: strings(*values)})
    assert outputs[made_alias].dtype is DataType.STRING
    assert outputs[made_alias].array.tolist() == [[value] for value in values]


def test_a_column_of_strings_is_fed_as_a_batch(words: TfliteServable) -> None:
    """One string in each row is a ``[batch]`` of them, whatever the rank of the request."""
    given_alias, made_alias = only(words)
    outputs = call(words, {given_alias: tensor(DataType.STRING, [[b"a"], [b"b"]])})
    assert outputs[made_alias].array.tolist() == [[b"a"], [b"b"]]


def test_answers_are_copies(half_plus_two: TfliteServable) -> None:
    """An answer stays as it is when the interpreter goes on to the next call."""
    given_alias, made_alias = only(half_plus_two)
    first = call(half_plus_two, {given_alias: floats(1, 2)})[made_alias].array
    call(half_plus_two, {given_alias: floats(7, 8)})
    assert first.tolist() == [2.5, 3.0]


def test_all_inputs_are_resized_before_memory_is_planned(other_kinds: Path) -> None:
    """Sizes of several inputs may change together, where each change alone would not fit."""
    with lite(other_kinds / "product.tflite") as servable:
        (made_alias,) = servable.signatures["serving_default"].outputs
        for size in (2, 3, 1):
            left, right = np.ones((4, size), np.float32), np.ones((size, 5), np.float32)
            outputs = call(
                servable,
                {
                    "serving_default_a": Tensor(DataType.FLOAT, left),
                    "serving_default_b": Tensor(DataType.FLOAT, right),
                },
            )
            assert outputs[made_alias].array.tolist() == (left @ right).tolist()


def test_interpreter_recovers_from_sizes_that_do_not_fit(other_kinds: Path) -> None:
    """A request that cannot be planned fails each time it comes; others are answered before and after."""
    with lite(other_kinds / "product.tflite") as servable:
        run = resolve(servable, "serving_default")
        good = [tensor(DataType.FLOAT, np.ones((1, 2))), tensor(DataType.FLOAT, np.ones((2, 1)))]
        bad = [tensor(DataType.FLOAT, np.ones((1, 2))), tensor(DataType.FLOAT, np.ones((3, 1)))]
        assert run(good, NO_LIMIT)[0].array.tolist() == [[2.0]]
        for _ in range(2):
            with pytest.raises(ServingError) as raised:
                run(bad, NO_LIMIT)
            assert (raised.value.code, raised.value.message) == (Code.INTERNAL, "Failed to allocate tensors")
        assert run(good, NO_LIMIT)[0].array.tolist() == [[2.0]]


def test_size_beyond_32_bits_is_refused(half_plus_two: TfliteServable) -> None:
    """A dimension that TensorFlow Lite cannot count is an error; the next call is answered."""
    given_alias, made_alias = only(half_plus_two)
    huge = Tensor(DataType.FLOAT, np.empty((0, 2**40), np.float32))
    call(half_plus_two, {given_alias: floats(1)})
    with pytest.raises(ServingError) as raised:
        call(half_plus_two, {given_alias: huge})
    assert raised.value.code is Code.INTERNAL
    assert raised.value.message == "Failed to resize input tensor: serving_default_x:0 from 4 to 0 bytes."
    assert call(half_plus_two, {given_alias: floats(1)})[made_alias].array.tolist() == [2.5]


def test_data_types_are_checked(half_plus_two: TfliteServable) -> None:
    """Another data type is refused, not cast and not read as if it were the right one."""
    with pytest.raises(ServingError) as raised:
        resolve(half_plus_two, "serving_default")([tensor(DataType.INT32, [1])], NO_LIMIT)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message == "Expects arg[0] to be float but int32 is provided"


@pytest.mark.parametrize(
    ("feeds", "fetches", "text"),
    [
        pytest.param(("x:0",), (), "Missing input TFLite tensor: x:0: Unknown tensor 'x:0'.", id="input"),
        pytest.param((), ("y",), "Missing output TFLite tensor: y: Unknown tensor 'y'.", id="output"),
    ],
)
def test_only_inputs_and_outputs_can_be_named(
    half_plus_two: TfliteServable, feeds: tuple[str, ...], fetches: tuple[str, ...], text: str
) -> None:
    """There is no feeding or fetching within the graph."""
    with pytest.raises(ServingError) as raised:
        half_plus_two.resolve(feeds, fetches)
    assert (raised.value.code, raised.value.message) == (Code.INTERNAL, text)


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


def test_threads_share_a_pool(other_kinds: Path) -> None:
    """More threads than interpreters get their own answers, each with its own shape."""
    with lite(other_kinds / "half_plus_two.tflite", interpreters=2) as servable, ThreadPoolExecutor(6) as threads:
        run = resolve(servable, "serving_default")
        sizes = [1 + number % 5 for number in range(200)]
        answers = threads.map(lambda size: run([floats(*[size] * size)], NO_LIMIT)[0].array.tolist(), sizes)
        assert list(answers) == [[0.5 * size + 2] * size for size in sizes]


class Held(TfliteInterpreter):
    """An interpreter without a model, whose runs last until they are let go."""

    def __init__(self) -> None:
        self.inputs = self.outputs = {"x": TfliteTensor("x", 0, DataType.FLOAT, (1,))}
        self.begun, self.go = threading.Event(), threading.Event()

    def run(self, feeds: Iterable[tuple[TfliteTensor, Tensor]], fetches: Sequence[TfliteTensor]) -> list[Tensor]:
        self.begun.set()
        assert self.go.wait(LIMIT_SECONDS)
        return [given for _, given in feeds]


def test_time_limit_bounds_the_wait_for_an_interpreter() -> None:
    """A call that finds none free within its limit ends; the one that had it is answered."""
    held = Held()
    with ThreadPoolExecutor(1) as executor:
        run = TfliteServable([held], {}, executor).resolve(("x",), ("x",))
        first = run.submit([floats(1)], NO_LIMIT)
        assert held.begun.wait(LIMIT_SECONDS)
        assert not run.inline
        with pytest.raises(ServingError) as raised:
            run([floats(2)], 1)
        held.go.set()
        assert first.result(LIMIT_SECONDS)[0].array.tolist() == [1.0]
    assert raised.value.code is Code.DEADLINE_EXCEEDED


@pytest.mark.skipif(not SIBLING_MODELS.is_dir(), reason="TensorFlow Serving's test models are not beside the checkout")
@pytest.mark.parametrize("model", ["saved_model_half_plus_two_tflite", "saved_model_half_plus_two_tflite_with_sigdef"])
def test_tensorflow_servings_own_test_files(model: str) -> None:
    """Both of its TensorFlow Lite files answer under the aliases x and y."""
    with lite(SIBLING_MODELS / model / "00000123" / "model.tflite") as servable:
        assert only(servable) == ("x", "y")
        assert call(servable, {"x": floats(1, 2, 5)})["y"].array.tolist() == [2.5, 3.0, 4.5]
