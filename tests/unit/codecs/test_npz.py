"""Archives of arrays: numpy's are read, ours are read by numpy, and hostile ones are refused before they grow."""

import io
import zlib
from collections.abc import Callable
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from serving.codecs.arrays import npy, npz
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError

ONE = np.array([1, 2, 3], np.float32)


def savez(compressed: bool = False, **arrays: NDArray[Any]) -> bytes:
    """What numpy.savez or numpy.savez_compressed writes."""
    file = io.BytesIO()
    save: Callable[..., None] = np.savez_compressed if compressed else np.savez
    save(file, **arrays)
    return file.getvalue()


def archive(*members: tuple[str, bytes], compression: int = ZIP_STORED) -> bytes:
    """A zip archive of any members."""
    file = io.BytesIO()
    with ZipFile(file, "w", compression) as made:
        for name, data in members:
            made.writestr(name, data)
    return file.getvalue()


def floats(*values: float) -> Tensor:
    return Tensor(DataType.FLOAT, np.array(values, np.float32))


FILE = npy.write("x", floats(1, 2, 3))


def read(body: bytes) -> dict[str, list[float]]:
    """The values of every array by name."""
    return {name: array.tensor(name, DataType.FLOAT).array.tolist() for name, array in npz.read(body).items()}


def refusal(body: bytes) -> str:
    """Why an archive is not taken."""
    with pytest.raises(ServingError) as caught:
        npz.read(body)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_what_numpy_saves_is_read(compressed: bool) -> None:
    """Every array by its name, whether compressed or not."""
    body = savez(compressed, x=ONE, **{"a/b ü": ONE * 2, "empty": ONE[:0]})
    assert read(body) == {"x": [1, 2, 3], "a/b ü": [2, 4, 6], "empty": []}


@pytest.mark.parametrize("outputs", [{}, {"y": floats(1, 2)}, {"y": floats(1), "z/ü": floats()}], ids=["0", "1", "2"])
def test_numpy_reads_what_is_written(outputs: dict[str, Tensor]) -> None:
    """Each output is there by its name."""
    found = np.load(io.BytesIO(npz.write(outputs)))
    assert {name: found[name].tolist() for name in found.files} == {
        name: tensor.array.tolist() for name, tensor in outputs.items()
    }


def test_plain_members_are_not_copied() -> None:
    """The memory of a member that is not compressed is the body's."""
    body = savez(x=ONE)
    assert npz.read(body)["x"].data.obj is body


def test_names_without_npy() -> None:
    """The end of a name does not matter, as for numpy."""
    assert read(archive(("x", FILE))) == {"x": [1, 2, 3]}


def test_archive_without_members() -> None:
    """It has no arrays; what a signature makes of that is not said here."""
    assert read(archive()) == {}


def test_compressed_bomb() -> None:
    """An archive that says it becomes larger than the limit is not inflated."""
    size = npz.LARGEST_INFLATED // 4 + 1
    body = archive(*[(f"{number}.npy", bytes(size)) for number in range(4)], compression=ZIP_DEFLATED)
    assert refusal(body) == "The archive's members have more than 104857600 bytes when inflated"


def test_bomb_that_lies() -> None:
    """A member that becomes more than its directory says is given up there."""
    honest = archive(("x.npy", FILE + bytes(2**20)), compression=ZIP_DEFLATED)
    size = (len(FILE) + 2**20).to_bytes(4, "little")
    assert "not the size or the checksum" in refusal(honest.replace(size, len(FILE).to_bytes(4, "little")))


def test_many_members() -> None:
    """More members than any signature has inputs are refused before they are looked at."""
    assert "it has 1025 members, more than 1024" in refusal(archive(*[(str(number), b"") for number in range(1025)]))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"PK", "it has no end", id="two bytes"),
        pytest.param(savez(x=ONE)[:-30], "it has no end", id="cut"),
        pytest.param(savez(x=ONE)[1:], "its directory is not where its end says", id="cut in front"),
        pytest.param(savez(x=ONE)[-22:], "its directory cannot be read", id="end alone"),
        pytest.param(
            savez(x=ONE).replace(ONE.tobytes(), bytes(12)), "not the size or the checksum", id="wrong checksum"
        ),
        pytest.param(archive(("x.npy", FILE), ("x", FILE)), "a name comes twice", id="names"),
        pytest.param(archive(("x.npy", b"text")), "begins with b'text'", id="no array"),
        pytest.param(archive(("x.npy", FILE), compression=ZIP_BZIP2), "encrypted, or compressed", id="bzip2"),
        pytest.param(
            archive(("ü", FILE)).replace("ü".encode(), b"\xff\xfe"), "its directory cannot be read", id="not UTF-8"
        ),
        pytest.param(
            archive(("x.npy", bytes(100)), compression=ZIP_DEFLATED).replace(
                zlib.compress(bytes(100), wbits=-15), b"\xff" * len(zlib.compress(bytes(100), wbits=-15))
            ),
            "a member cannot be inflated",
            id="not deflated",
        ),
    ],
)
def test_refused(body: bytes, expected: str) -> None:
    """What is damaged is an error with a reason."""
    assert expected in refusal(body)


@pytest.mark.parametrize(
    ("position", "expected"),
    [pytest.param(2**31, "a member is cut off", id="behind the end"), pytest.param(8, "is cut off", id="no member")],
)
def test_member_elsewhere(position: int, expected: str) -> None:
    """The directory points to where no member begins."""
    body = bytearray(archive(("x.npy", FILE)))
    entry = body.rindex(b"PK\x01\x02")
    body[entry + 42 : entry + 46] = position.to_bytes(4, "little")
    assert expected in refusal(bytes(body))


def outcome(body: bytes) -> int | Code:
    """How many arrays were read, or the code of the error."""
    try:
        return len(npz.read(body))
    except ServingError as error:
        return error.code


@given(st.booleans(), st.data())
def test_any_bytes(compressed: bool, data: st.DataObject) -> None:
    """A damaged archive is read or refused; nothing else is raised."""
    body = bytearray(savez(compressed, x=ONE))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[data.draw(st.integers(0, 3)) : data.draw(st.integers(0, len(body)))]
    assert outcome(bytes(body)) in (0, 1, Code.INVALID_ARGUMENT)
