"""Strings in ``tensor_content``, read and written in bulk: the same as one by one, and the same refusals."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.protobuf import string_content, wire
from tests.wire_messages import varint


def one_by_one(content: bytes, count: int) -> list[bytes] | None:
    """TensorFlow's reading, byte by byte."""
    lengths, position = [], 0
    for _ in range(count):
        length = shift = 0
        while True:
            if position >= len(content) or shift > 28:
                return None
            byte = content[position]
            position += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        lengths.append(length)
    if position + sum(lengths) != len(content):
        return None
    ends = [position + sum(lengths[: index + 1]) for index in range(count)]
    return [content[end - length : end] for end, length in zip(ends, lengths, strict=True)]


@pytest.fixture(autouse=True, params=[2, 2**20], ids=["steps of 2", "one step"], scope="module")
def _steps(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(string_content, "_MOST", request.param)
        patch.setattr(wire, "STEP", max(10, request.param))
        yield


@given(st.lists(st.binary(max_size=6) | st.sampled_from((b"", b"a" * 130)), min_size=1, max_size=8))
def test_round_trip(values: list[bytes]) -> None:
    """Strings of any length, empty ones, many and few."""
    array = np.empty(len(values), object)
    array[:] = values
    content = string_content.encode(array)
    assert content == b"".join([varint(len(value)) for value in values]) + b"".join(values)
    decoded = string_content.decode(content, len(values))
    assert decoded is not None
    assert decoded.tolist() == values


LENGTHS = st.builds(varint, st.integers(0, 4) | st.just(130), st.sampled_from((0, 0, 0, 0, 1, 4, 5, 9)))


@given(st.lists(LENGTHS | st.binary(max_size=4), max_size=8).map(b"".join), st.integers(1, 8), st.integers(0, 12))
def test_any_bytes(heads: bytes, count: int, behind: int) -> None:
    """Contents of any bytes, lengths longer than need be among them, are read or refused as one by one."""
    for content in (heads + b"a" * behind, heads):
        decoded = string_content.decode(content, count)
        assert (None if decoded is None else decoded.tolist()) == one_by_one(content, count)
