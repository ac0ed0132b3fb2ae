"""Bodies and answers of many pieces: what is cut, and where, makes no difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json import decimals as json_decimals
from serving.codecs.json import literals as json_literals
from serving.codecs.json.request import read_exactly, read_longer
from serving.codecs.json.response import outputs, predictions
from serving.codecs.json.strings import PIECE, base64_decoded, base64_encoded
from serving.codecs.json.text import parse
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError
from tests.support.json_requests import infos, outcome

SHAPES = [(60,), (60, 1), (1, 60), (3, 4, 5), (1, 1, 60), (2, 30, 1)]


@pytest.fixture(params=[2, 7, 50])
def short_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces so short that small bodies and answers have many."""
    monkeypatch.setattr(json_literals, "_PIECE", request.param)
    monkeypatch.setattr(json_decimals, "_PIECE", request.param)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [DataType.FLOAT, DataType.DOUBLE, DataType.INT32], ids=lambda dtype: dtype.name)
@pytest.mark.usefixtures("short_pieces")
def test_numbers_in_pieces_are_the_numbers(shape: tuple[int, ...], dtype: DataType) -> None:
    """A body is read alike wherever its lists are cut."""
    values = np.arange(60).reshape(shape).tolist()
    for body in (f'{{"instances": {values}}}', f'{{"instances": [{{"x": {values}}}, {{"x": {values}}}]}}'):
        assert outcome(read_longer, body.encode(), infos(x=dtype)) == outcome(
            read_exactly, body.encode(), infos(x=dtype)
        )


@pytest.mark.parametrize(
    "text", ["[1, 22, ]", "[,22, 333]", "[1, , 333]", "[[1, 22], [,3]]", "[[1], 22]", "[1, 2[], 3]"]
)
@pytest.mark.usefixtures("short_pieces")
def test_what_is_missing_at_a_cut_is_still_refused(text: str) -> None:
    """Pieces that are JSON do not make JSON of a body that is none."""
    body = f'{{"instances": {text}}}'.encode()
    assert outcome(read_longer, body, infos(x=DataType.FLOAT)) == outcome(read_exactly, body, infos(x=DataType.FLOAT))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_answers_in_pieces_are_the_answers(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is written alike wherever its lists are cut."""
    tensor = Tensor(DataType.FLOAT, np.linspace(0, 9, 60, dtype=np.float32).reshape(shape))
    whole = [write(named) for write in (predictions, outputs) for named in ({"y": tensor}, {"y": tensor, "z": tensor})]
    monkeypatch.setattr(json_decimals, "_PIECE", 7)
    assert whole == [
        write(named) for write in (predictions, outputs) for named in ({"y": tensor}, {"y": tensor, "z": tensor})
    ]


def test_large_answers_in_rows_are_written_in_pieces() -> None:
    """Hundred thousand floats come out as each would alone."""
    array = np.linspace(0, 9, 100_000, dtype=np.float32)
    body = predictions({"y": Tensor(DataType.FLOAT, array)}, exact_digits=False)
    assert np.array_equal(np.array(body[20:-6].split(b"[")[1].split(b","), np.float32), array)


def test_base64_of_several_pieces_is_decoded() -> None:
    """Padding counts at the end only, however long the text is."""
    data = bytes(range(256)) * 4096 * 2
    text = base64_encoded(data)
    assert base64_decoded(text) == data
    assert base64_decoded(text + b"\n") == data
    assert base64_decoded(b"QQ==" + text[: PIECE + 4]) is None


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        pytest.param(b'["9E9 Inf", Inf, "\\"Inf", 1Inf]', 27, id="infinity-behind-a-digit"),
        pytest.param(b'["a,b", 1E5, -NaN, Inf, 1e400, Inf]', 24, id="too-big-among-infinities"),
        pytest.param(b'[Inf, Inf7, "]', 9, id="digit-behind-infinity"),
        pytest.param(b"[" * 2000 + b"1" + b"]" * 1999 + b"}", 4000, id="deep"),
        pytest.param(b'[{"a":' * 1000 + b"1" + b"} ]" * 999 + b"}", 8999, id="deep-and-open"),
        pytest.param(b'["\\udc00", "\\ud800"]', 12, id="lone-high-behind-lone-low"),
        pytest.param(b'[{"a": [1, {"b": "\xc3\xa9\\n", "c" 1}]}]', 29, id="behind-characters-of-two-bytes"),
    ],
)
def test_what_is_refused_has_its_own_offset(text: bytes, offset: int) -> None:
    """Whatever was rewritten or skipped on the way, offsets are those of the body."""
    with pytest.raises(ServingError, match=f"at offset: {offset}$"):
        parse(text)


@given(st.binary(max_size=8), st.integers(0, 3))
def test_base64_is_never_decoded_to_something_else(data: bytes, equals: int) -> None:
    """More or less padding than is due is refused or ignored, and changes nothing."""
    text = base64_encoded(data).rstrip(b"=") + b"=" * equals
    assert base64_decoded(text) in (data, None)
