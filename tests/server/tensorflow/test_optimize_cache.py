"""What is kept of what was tried, between starts: found again whole, or not at all."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.core.tensor import DataType
from serving.openvino.accepted import Accepted, AcceptedInput
from serving.openvino.body import BodyPlan, InputPlan, OutputPlan
from serving.openvino.compiled import Port
from serving.optimizing.cache import Cache
from serving.optimizing.candidates import Group, NotOptimizedError, Step
from serving.optimizing.choice import Cell, Engine, Table
from serving.optimizing.freezing import FrozenGraph
from serving.optimizing.verdict import OpenVinoPart, StepVerdict, TensorFlowPart, Verdict
from tests.server.tensorflow.optimizing import memory_file, model, open_files, terms

PLAN = BodyPlan(
    head=(),
    inputs=(InputPlan(Port("a:0", DataType.FLOAT), "x:0"),),
    outputs=(OutputPlan(Port("b:0", DataType.FLOAT), "y:0"),),
    given={},
    accepted=Accepted(inputs=(AcceptedInput(dtype=DataType.FLOAT, sizes=((1, None),)),)),
)
CELL = Cell(rows=1, calls=1, engine=Engine.OPENVINO, plain_milliseconds=2.0, milliseconds=1.0)
GROUPS = (Group(step=Step(("x:0",), ("y:0",)), signatures=("s",)),)


def verdict() -> Verdict:
    """One step that both engines could run, with files of all kinds."""
    graph = FrozenGraph(graph=memory_file(b"graph"), weights=(memory_file(b"one"), memory_file(b"")))
    openvino = OpenVinoPart(
        plan=PLAN,
        table=Table(cells=(CELL,)),
        difference=0.0,
        blob=memory_file(b"blob"),
        head=memory_file(b"head"),
    )
    step = StepVerdict(
        plain_seconds=2.0,
        example=memory_file(b"[]"),
        tensorflow=TensorFlowPart(graph=graph, optimized=True, seconds=1.5, difference=0.0),
        openvino=openvino,
        reasons=("why",),
    )
    return Verdict(steps=(step,))


def contents(verdict: Verdict) -> list[bytes]:
    """What is in its files, which are then closed."""
    read = [os.pread(fd, 1000, 0) for fd in verdict.files]
    verdict.close()
    return read


def keep(cache: Cache, key: str) -> None:
    made = verdict()
    cache.keep(key, made)
    made.close()


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    """Facts and files come back as they were; the directory is made, and has one folder."""
    cache = Cache(tmp_path / "a" / "b", "cpu")
    keep(cache, "k")
    found = cache.find("k")
    assert found is not None
    assert json.dumps(found.facts()) == json.dumps(verdict().facts())
    assert found.steps[0].openvino is not None
    assert os.pread(found.steps[0].openvino.blob, 100, 0) == b"blob"
    assert contents(found) == [b"[]", b"graph", b"one", b"", b"blob", b"head"]
    assert [path.name for path in cache.directory.iterdir()] == ["k"]


def changed(data: bytes) -> bytes:
    return data[:-1] + b"f"


DAMAGES = [
    pytest.param("1", lambda data: data[:-1], id="a file is cut"),
    pytest.param("1", changed, id="a file is changed"),
    pytest.param("5", lambda data: b"", id="a file is empty"),
    pytest.param("4", None, id="a file is missing"),
    pytest.param("verdict.json", lambda data: data[:-1], id="the facts are cut"),
    pytest.param("verdict.json", lambda data: b"", id="the facts are empty"),
    pytest.param("verdict.json", lambda data: b"[]", id="the facts are others"),
    pytest.param("verdict.json", lambda data: b"{}", id="there are no facts"),
    pytest.param("verdict.json", lambda data: data.replace(b"SavedModel 2", b"SavedModel 1"), id="an earlier format"),
    pytest.param("verdict.json", lambda data: data.replace(b"openvino", b"nobody"), id="an unknown engine"),
    pytest.param("verdict.json", lambda data: data.replace(b'"weights": 2', b'"weights": 9'), id="too few files"),
    pytest.param("verdict.json", None, id="the facts are missing"),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGES)
def test_what_is_damaged_is_as_good_as_none(tmp_path: Path, name: str, damage: Callable[[bytes], bytes] | None) -> None:
    """What is not whole is not used, leaves no file open, and is replaced."""
    cache = Cache(tmp_path, "cpu")
    keep(cache, "k")
    file = tmp_path / "k" / name
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage(file.read_bytes()))
    before = open_files()
    assert cache.find("k") is None
    assert open_files() == before
    keep(cache, "k")
    found = cache.find("k")
    assert found is not None
    found.close()


def test_a_file_of_an_earlier_format_is_replaced(tmp_path: Path) -> None:
    """What stands in the place of a folder is no hindrance."""
    (tmp_path / "k").write_bytes(b"TFRecords, or what")
    cache = Cache(tmp_path, "cpu")
    assert cache.find("k") is None
    keep(cache, "k")
    found = cache.find("k")
    assert found is not None
    found.close()


def test_nothing_kept_is_nothing_found(tmp_path: Path) -> None:
    """A cache begins empty, and its directory may be missing."""
    assert Cache(tmp_path / "none", "cpu").find("k") is None


def test_failed_writes_leave_nothing(tmp_path: Path) -> None:
    """What cannot be written whole is not there at all."""
    one, other = os.pipe()
    unreadable = Verdict(steps=(StepVerdict(plain_seconds=1.0, example=one, tensorflow=None, openvino=None),))
    with pytest.raises(OSError, match="seek"):
        Cache(tmp_path, "cpu").keep("k", unreadable)
    assert list(tmp_path.iterdir()) == []
    os.close(one)
    os.close(other)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version directory, as far as its files go."""
    directory = tmp_path / "1"
    (directory / "variables").mkdir(parents=True)
    (directory / "assets.extra").mkdir()
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "variables.data-00000-of-00001").write_bytes(b"weights")
    return directory


def test_what_was_made_is_made_once(tmp_path: Path, version: Path) -> None:
    """The second time it is found, and nothing is tried."""
    cache = Cache(tmp_path / "cache", "cpu")
    made = []

    def make() -> Verdict:
        made.append(verdict())
        return made[-1]

    before = open_files()
    for _ in range(2):
        assert contents(cache.verdict(model(version), GROUPS, terms(), make))[0] == b"[]"
    assert len(made) == 1
    assert open_files() == before


def test_a_model_that_cannot_be_read_is_a_reason(tmp_path: Path) -> None:
    """A file that is gone by now is no failure of the load."""
    (tmp_path / "1").mkdir()
    lost = replace(model(tmp_path / "1"), libraries=(str(tmp_path / "libops.so"),))
    unreadable = tmp_path / "1" / "saved_model.pb"
    unreadable.symlink_to("/proc/self/mem")
    with pytest.raises(NotOptimizedError, match="its files cannot be read"):
        Cache(tmp_path / "cache", "cpu").verdict(lost, GROUPS, terms(), verdict)


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
    before = cache.key(model(version), GROUPS, terms())
    change(version)
    assert (cache.key(model(version), GROUPS, terms()) == before) is same


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"config": b"c"}, id="configuration"),
        pytest.param({"threads": 2}, id="threads"),
        pytest.param({"rows": (1, 8)}, id="rows"),
        pytest.param({"tensorflow": False}, id="engines"),
        pytest.param({"tolerance": 0.5}, id="precision"),
    ],
)
def test_keys_follow_the_terms(tmp_path: Path, version: Path, change: dict[str, Any]) -> None:
    """What was found on other terms is not what would be found on these."""
    cache = Cache(tmp_path, "cpu")
    assert cache.key(model(version), GROUPS, terms(**change)) != cache.key(model(version), GROUPS, terms())


def test_keys_follow_the_machine(tmp_path: Path, version: Path) -> None:
    """Graphs have kernels for one kind of CPU."""
    one, other = (Cache(tmp_path, cpu).key(model(version), GROUPS, terms()) for cpu in ("cpu", "another"))
    assert one != other
