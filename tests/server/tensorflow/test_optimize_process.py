"""The child that optimises: what becomes of one that fails, is ended or lies; and what is kept of its work."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.core.tensor import DataType
from serving.optimizing.cache import Cache
from serving.optimizing.candidates import NotOptimizedError, Step
from serving.optimizing.process import Children, ChildRequest, Optimized
from tests.support import TIMEOUT_SECONDS
from tests.support.models import tensor

PREAMBLE = """
import json, os, socket, sys, time
connection = socket.socket(fileno=os.dup(0))
order = json.loads(connection.makefile("rb").readline())
def answer(**fields): connection.sendall(json.dumps(fields).encode() + b"\\n")
def file(data):
    fd = os.memfd_create("f")
    os.write(fd, data)
    return fd
"""


def order(path: Path = Path("/m/1")) -> ChildRequest:
    return ChildRequest(
        path=path,
        tags=("serve",),
        config=b"c",
        signatures=("s",),
        step=Step(("x:0",), ("y:0",)),
        example=[tensor(DataType.FLOAT, [1.0]), tensor(DataType.STRING, [b"a"])],
    )


def child(script: str) -> Children:
    """Children that do this instead."""
    return Children((sys.executable, "-c", PREAMBLE + script))


def contents(optimized: Optimized) -> list[bytes]:
    """The weights, whose files are then closed."""
    read = [os.pread(fd, 1000, 0) for fd in optimized.weights]
    optimized.close()
    return read


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only their number counts


@pytest.mark.parametrize("weights", [0, 1, 100, 205])
def test_files_are_handed_over(weights: int) -> None:
    """The graph and every weight arrive, in their order, however many they are."""
    made = child(
        f"answer(weights={weights})\n"
        f"fds = [file(b'graph'), *[file(b'%d' % n) for n in range({weights})]]\n"
        "for start in range(0, len(fds), 100): socket.send_fds(connection, [b'.'], fds[start : start + 100])"
    ).optimize(order())
    assert made.graph == b"graph"
    assert contents(made) == [b"%d" % number for number in range(weights)]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("answer(error='no, ' + order['path'])", "no, /m/1", id="refuses"),
        pytest.param("sys.exit('bad\\nworse')", "ended with status 1: worse", id="fails"),
        pytest.param("os.kill(os.getpid(), 11)", "ended with status -11: no words", id="crashes"),
        pytest.param("answer(weights=3)", "ended with status ", id="keeps the files"),
        pytest.param("connection.sendall(b'{')", "ended with status ", id="breaks off"),
        pytest.param(
            "answer(weights=3); socket.send_fds(connection, [b'.'], [file(b'g')])",
            "ended with status ",
            id="keeps some files",
        ),
    ],
)
def test_failures(script: str, reason: str) -> None:
    """A child that gives nothing is a reason to serve the model as it is, and leaves nothing open."""
    before = open_files()
    with pytest.raises(NotOptimizedError, match=reason):
        child(script).optimize(order())
    assert open_files() == before


def test_a_child_may_not_take_forever() -> None:
    """After the time limit the child is ended."""
    with pytest.raises(NotOptimizedError, match="took too long"):
        child("connection.recv(1)").optimize(order(), timeout_seconds=0.01)


def test_the_end_of_the_server_ends_the_child(tmp_path: Path) -> None:
    """Closing ends what runs, and nothing starts any more."""
    os.mkfifo(tmp_path / "started")
    children = child(f"open({str(tmp_path / 'started')!r}, 'w').close(); connection.recv(1)")
    reasons = []

    def run() -> None:
        try:
            children.optimize(order())
        except NotOptimizedError as reason:
            reasons.append((str(reason), reason.expected))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    (tmp_path / "started").read_bytes()  # blocks until the child is there
    children.close()
    thread.join(TIMEOUT_SECONDS)
    assert reasons == [("the process that optimises it ended with status -9: no words", True)]
    with pytest.raises(NotOptimizedError, match="the server ends"):
        children.optimize(order())


def memory_file(data: bytes) -> int:
    fd = os.memfd_create("f")
    os.write(fd, data)
    return fd


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version directory, as far as its files go."""
    directory = tmp_path / "1"
    (directory / "variables").mkdir(parents=True)
    (directory / "assets.extra").mkdir()
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "variables.data-00000-of-00001").write_bytes(b"weights")
    return directory


def keep(cache: Cache, key: str) -> None:
    made = Optimized(graph=b"graph", weights=(memory_file(b"one"), memory_file(b"")))
    cache.keep(key, made)
    made.close()


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    """The graph and its weights come back as they were; the directory is made."""
    cache = Cache(tmp_path / "a" / "b", "cpu")
    keep(cache, "k")
    found = cache.find("k")
    assert found is not None
    assert found.graph == b"graph"
    assert contents(found) == [b"one", b""]
    assert [path.name for path in cache.directory.iterdir()] == ["k"]


def cut(data: bytes) -> bytes:
    return data[:-1]


def changed(data: bytes) -> bytes:
    return data[:-1] + b"f"


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        changed,
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:30], id="header cut"),
        pytest.param(lambda data: data[:23] + b"[]\n", id="another header"),
        pytest.param(lambda data: data[:23] + b"{}\n", id="empty header"),
        pytest.param(lambda data: b"TFRecords, or what", id="foreign"),
    ],
)
def test_damaged_files_are_as_good_as_none(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """What is not whole is not used, leaves no file open, and is replaced."""
    cache = Cache(tmp_path, "cpu")
    keep(cache, "k")
    (tmp_path / "k").write_bytes(damage((tmp_path / "k").read_bytes()))
    before = open_files()
    assert cache.find("k") is None
    assert open_files() == before
    keep(cache, "k")
    found = cache.find("k")
    assert found is not None
    found.close()


def test_nothing_kept_is_nothing_found(tmp_path: Path) -> None:
    """A cache begins empty, and its directory may be missing."""
    assert Cache(tmp_path / "none", "cpu").find("k") is None


def test_failed_writes_leave_nothing(tmp_path: Path) -> None:
    """What cannot be written whole is not there at all."""
    (tmp_path / "k").mkdir()
    with pytest.raises(OSError, match="directory"):
        keep(Cache(tmp_path, "cpu"), "k")
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def write(name: str, data: bytes) -> Callable[[Path], None]:
    def change(version: Path) -> None:
        (version / name).write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param(write("saved_model.pb", b"graph"), True, id="nothing"),
        pytest.param(write("saved_model.pb", b"grapg"), False, id="graph"),
        pytest.param(write("variables/variables.data-00000-of-00001", b"weightt"), False, id="weights"),
        pytest.param(write("variables/more", b""), False, id="another file"),
        pytest.param(write("assets.extra/tf_serving_warmup_requests", b"x"), True, id="warm-up"),
    ],
)
def test_keys_follow_the_model(tmp_path: Path, version: Path, change: Callable[[Path], None], same: bool) -> None:
    """Another content is another key; what does not go into the graph does not count."""
    cache = Cache(tmp_path, "cpu")
    before = cache.key(order(version))
    change(version)
    assert (cache.key(order(version)) == before) is same


def test_keys_follow_the_machine(tmp_path: Path, version: Path) -> None:
    """Graphs have kernels for one kind of CPU."""
    assert Cache(tmp_path, "cpu").key(order(version)) != Cache(tmp_path, "another").key(order(version))
