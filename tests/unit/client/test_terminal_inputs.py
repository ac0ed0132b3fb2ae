"""What serving-client makes of files: arrays of the signature's types, images in its shapes, or a sentence."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.client.terminal.errors import ProblemError
from serving.client.terminal.inputs import load
from serving.client.values import Signature, TensorInfo


def signature(**inputs: tuple[str, tuple[int, ...] | None]) -> Signature:
    """A signature with inputs of these types and shapes."""
    infos = {name: TensorInfo(name=f"{name}:0", dtype=dtype, shape=shape) for name, (dtype, shape) in inputs.items()}
    return Signature(method="", inputs=infos, outputs={})


def loaded(of: Signature, *given: Path | str, cast: bool = False, pixels: Any = None) -> dict[str, Any]:
    """The arrays of these --input."""
    return load(Namespace(input=[str(each) for each in given], cast=cast, pixels=pixels), of)


def written(path: Path, data: Any) -> Path:
    """A file with these bytes, or with this as JSON."""
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return path


def red(path: Path, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Path:
    """An image, wider than high."""
    Image.new(mode, size, "red" if mode != "L" else 255).save(path)
    return path


ONE = signature(x=("float32", (-1, 2)))
TWO = signature(a=("int32", (-1,)), b=("string", (-1,)))


@pytest.mark.parametrize(
    ("of", "values", "expected"),
    [
        pytest.param(ONE, [[1, 2]], {"x": [[1.0, 2.0]]}, id="the only input"),
        pytest.param(ONE, {"x": [[1, 2]]}, {"x": [[1.0, 2.0]]}, id="by name"),
        pytest.param(ONE, {"inputs": [[1, 2]]}, {"x": [[1.0, 2.0]]}, id="inputs"),
        pytest.param(ONE, {"instances": [[1, 2], [3, 4]]}, {"x": [[1.0, 2.0], [3.0, 4.0]]}, id="instances"),
        pytest.param(TWO, {"a": [1], "b": ["x"]}, {"a": [1], "b": [b"x"]}, id="two"),
        pytest.param(TWO, {"inputs": {"a": [1], "b": ["x"]}}, {"a": [1], "b": [b"x"]}, id="columns"),
        pytest.param(TWO, {"instances": [{"a": 1, "b": {"b64": "eA=="}}]}, {"a": [1], "b": [b"x"]}, id="rows"),
        pytest.param(signature(s=("string", ())), {"b64": "/w=="}, {"s": b"\xff"}, id="base64 alone"),
        pytest.param(signature(x=("bfloat16", (-1,))), [1.5], {"x": [1.5]}, id="a type that numpy lacks"),
        pytest.param(signature(x=("int8", (-1,))), [2.0], {"x": [2]}, id="whole number"),
    ],
)
def test_json(tmp_path: Path, of: Signature, values: Any, expected: Any) -> None:
    """Values get the types of the inputs."""
    arrays = loaded(of, written(tmp_path / "x.json", values))
    assert {name: array.tolist() for name, array in arrays.items()} == expected
    for name, array in arrays.items():
        assert array.dtype.name == of.inputs[name].dtype.replace("string", "object")


@pytest.mark.parametrize(
    ("of", "values", "expected"),
    [
        pytest.param(ONE, {"y": [1]}, "has values for y; the model has the inputs x", id="name"),
        pytest.param(TWO, [1], "The model has the inputs a, b: say for which", id="which"),
        pytest.param(TWO, {"instances": [1]}, "names no input; the model has a, b", id="rows of one"),
        pytest.param(TWO, {"instances": [{"a": 1}, {"b": "x"}]}, "expected a, b in each of the instances", id="rows"),
        pytest.param(ONE, [[1], [1, 2]], "rows have the same lengths", id="ragged"),
        pytest.param(ONE, ["a"], r"expected numbers for float32\[-1,2\], got \['a'\]", id="text"),
        pytest.param(signature(s=("string", (-1,))), [1], r"expected strings, got \[1\]", id="numbers"),
        pytest.param(signature(s=("string", (-1,))), [{"b64": "?"}], r"expected base64, got '\?'", id="base64"),
        pytest.param(signature(x=("uint8", (-1,))), [300], "some numbers are none of uint8", id="range"),
        pytest.param(signature(x=("int32", (-1,))), [1.5], "some numbers are none of int32", id="fraction"),
        pytest.param(signature(x=("qint99", (-1,))), [1], "takes qint99, which", id="unknown type"),
    ],
)
def test_json_that_does_not_fit(tmp_path: Path, of: Signature, values: Any, expected: str) -> None:
    """The file is named, and what is wrong in it."""
    with pytest.raises(ProblemError, match=expected):
        loaded(of, written(tmp_path / "x.json", values))


def test_arrays(tmp_path: Path) -> None:
    """npy keeps its type unless it is cast; of several files each has rows; npz has names of its own."""
    np.save(tmp_path / "x.npy", np.ones((1, 2)))
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 2)))
    assert loaded(ONE, tmp_path / "x.npy")["x"].dtype == np.float64
    assert loaded(ONE, tmp_path / "x.npy", cast=True)["x"].dtype == np.float32
    both = loaded(ONE, tmp_path / "x.npy", f"x={tmp_path / 'x.npz'}", cast=True)["x"]
    assert both.tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_files_with_equals_in_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is there is meant."""
    monkeypatch.chdir(tmp_path)
    written(Path("x=1.json"), [[1, 2]])
    assert loaded(ONE, "x=1.json")["x"].tolist() == loaded(ONE, "x=x=1.json")["x"].tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        pytest.param(b"\x93NUMPY\x01", "", "x.bin is no npy file", id="npy"),
        pytest.param(b"PK\x03\x04", "", "x.bin is no npz file", id="npz"),
        pytest.param(b"\xff\xd8\xff\x00", "", "x.bin is no image that can be decoded", id="image"),
        pytest.param(b"abc", "", "x.bin is no npy, no npz, no image and no JSON", id="text"),
        pytest.param(b"[1]", "y=", "The model has no input y; it has x.", id="input"),
    ],
)
def test_files_that_are_none(tmp_path: Path, data: bytes, name: str, expected: str) -> None:
    """By their first bytes they are something."""
    with pytest.raises(ProblemError, match=expected):
        loaded(signature(x=("float32", (-1, 4, 4, 3))), f"{name}{written(tmp_path / 'x.bin', data)}")


def test_arrays_that_cannot_be_put_together(tmp_path: Path) -> None:
    """Files for one input have rows of one shape; an npz for one input has one array."""
    for name, shape in (("a", (1, 2)), ("b", (1, 3))):
        np.save(tmp_path / f"{name}.npy", np.zeros(shape))
    with pytest.raises(ProblemError, match=r"for x cannot be put together: they hold \[1,2\], \[1,3\]"):
        loaded(ONE, tmp_path / "a.npy", tmp_path / "b.npy")
    np.savez(tmp_path / "two.npz", a=np.zeros(1), b=np.zeros(1))
    with pytest.raises(ProblemError, match="has the arrays a, b: expected one for the input x"):
        loaded(ONE, f"x={tmp_path / 'two.npz'}")


@pytest.mark.parametrize(
    ("dtype", "shape", "expected", "pixel"),
    [
        pytest.param("float32", (-1, 8, 8, 3), (1, 8, 8, 3), [1.0, 0.0, 0.0], id="resized"),
        pytest.param("float32", (-1, -1, -1, 3), (1, 4, 6, 3), [1.0, 0.0, 0.0], id="as large as it is"),
        pytest.param("uint8", (8, 8, 3), (8, 8, 3), [255, 0, 0], id="one image, bytes"),
        pytest.param("float32", (-1, 8, 8, 1), (1, 8, 8, 1), [76 / 255], id="grey"),
        pytest.param("uint8", (-1, 8, 8, 4), (1, 8, 8, 4), [255, 0, 0, 255], id="with transparency"),
        pytest.param("uint8", (-1, 8, 8, -1), (1, 8, 8, 3), [255, 0, 0], id="any channels"),
    ],
)
def test_images(tmp_path: Path, dtype: str, shape: tuple[int, ...], expected: tuple[int, ...], pixel: Any) -> None:
    """Decoded, resized and scaled as the input has it."""
    (array,) = loaded(signature(x=(dtype, shape)), red(tmp_path / "red.png")).values()
    assert (array.dtype.name, array.shape) == (dtype, expected)
    assert array.reshape(-1, expected[-1])[0].tolist() == pytest.approx(pixel)


def test_channels_first(tmp_path: Path) -> None:
    """[batch,channels,height,width] is known by its second size."""
    (array,) = loaded(signature(x=("float32", (-1, 3, 8, 10))), red(tmp_path / "red.png")).values()
    assert array.shape == (1, 3, 8, 10)
    assert array[0, :, 0, 0].tolist() == [1.0, 0.0, 0.0]


def test_ranges_of_pixels(tmp_path: Path) -> None:
    """As --pixels says."""
    (array,) = loaded(signature(x=("float32", (1, 2, 2, 3))), red(tmp_path / "red.png"), pixels=(-1.0, 1.0)).values()
    assert array[0, 0, 0].tolist() == [1.0, -1.0, -1.0]
    (array,) = loaded(signature(x=("int32", (1, 2, 2, 3))), red(tmp_path / "red.png"), pixels=(0.0, 10.0)).values()
    assert array[0, 0, 0].tolist() == [10, 0, 0]


@pytest.mark.parametrize(("shape", "expected"), [((), ()), ((-1,), (1,)), (None, (1,)), ((-1, 1), (1, 1))])
def test_bytes_of_files(tmp_path: Path, shape: tuple[int, ...] | None, expected: tuple[int, ...]) -> None:
    """A string gets the file as it is, image or not, in as many dimensions as the input has."""
    for path in (red(tmp_path / "red.jpg"), written(tmp_path / "x.wav", b"RIFFabc")):
        (array,) = loaded(signature(x=("string", shape)), path).values()
        assert (array.shape, array.ravel()[0]) == (expected, path.read_bytes())


def test_several_images(tmp_path: Path) -> None:
    """A batch of them."""
    paths = [red(tmp_path / f"{each}.png") for each in range(3)]
    assert loaded(signature(x=("float32", (-1, 8, 8, 3))), *paths)["x"].shape == (3, 8, 8, 3)


def test_images_for_what_takes_none(tmp_path: Path) -> None:
    """The sentence has the shape that there is."""
    with pytest.raises(ProblemError, match=r"is an image, and x is float32\[-1,784\]: expected \[batch,height,"):
        loaded(signature(x=("float32", (-1, 784))), red(tmp_path / "red.png"))


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to install; a model of strings needs nothing."""
    import importlib

    def missing(name: str, *_: Any) -> Any:
        raise ImportError(name)

    path = red(tmp_path / "red.png")
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ProblemError, match=r"pip install 'tensorflow-serving-appliance-client\[images\]'"):
        loaded(signature(x=("float32", (-1, 8, 8, 3))), path)
    assert loaded(signature(x=("string", (-1,))), path)["x"][0] == path.read_bytes()
