"""A driven container is removed whatever happens, and its output and files arrive whole."""

from pathlib import Path

import pytest

from build.container import DrivenContainer
from build.engine import ContainerSpec
from build.errors import EngineLostError
from tests.unit.build.engines import FakeEngine, Program

SPEC = ContainerSpec(image="i:1", environment={}, labels={}, volumes={"v": "/cache"})


def test_removed_after_success() -> None:
    """Made, started, removed."""
    engine = FakeEngine()
    with DrivenContainer(engine, SPEC) as container:
        assert list(container.lines()) == []
    assert engine.events == ["create c1", "start c1", "remove c1"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RuntimeError("x"), id="error"),
        pytest.param(KeyboardInterrupt(), id="ctrl-c"),
        pytest.param(SystemExit(1), id="exit"),
    ],
)
def test_removed_after(error: BaseException) -> None:
    """Whatever comes up while its output is read, it is removed, and the error passes on."""
    engine = FakeEngine(Program(raises=error))
    with pytest.raises(type(error)), DrivenContainer(engine, SPEC) as container:
        list(container.lines())
    assert engine.alive == set()


def test_removed_when_it_does_not_start() -> None:
    """A container that was made and could not be started does not stay behind."""
    engine = FakeEngine(refuses_to_start=True)
    with pytest.raises(EngineLostError), DrivenContainer(engine, SPEC):
        pass
    assert engine.events == ["create c1", "start c1", "remove c1"]


def test_kept() -> None:
    """With ``keep`` it is stopped and stays, and the user is told how to look into it and how to remove it."""
    engine = FakeEngine()
    said: list[str] = []
    with DrivenContainer(engine, SPEC, keep=True, say=said.append):
        pass
    assert engine.events[-1] == "stop c1"
    assert engine.alive == {"c1"}
    for words in ("docker logs c1", "docker run --rm -it --volume v:/cache i:1 bash", "docker rm --force --volumes c1"):
        assert words in said[0]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        pytest.param(b"one\ntwo\n", ["one", "two"], id="lines"),
        pytest.param(
            b"a long line that comes in pieces\n\nend", ["a long line that comes in pieces", "", "end"], id="rest"
        ),
        pytest.param(b"10 %\r20 %\r30 %\nend\r\n", ["30 %", "end"], id="rewritten"),
        pytest.param("größer ✓\n".encode(), ["größer ✓"], id="utf-8-across-pieces"),
        pytest.param(b"\xff\xfe\n", ["��"], id="not-text"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_lines(printed: bytes, expected: list[str]) -> None:
    """Output is cut into lines wherever its pieces end."""
    with DrivenContainer(FakeEngine(Program(prints=printed)), SPEC) as container:
        assert list(container.lines()) == expected


def test_copy_out(tmp_path: Path) -> None:
    """Files arrive with their content, however the stream is cut; what lies deeper stays."""
    files = {"a.whl": bytes(range(256)) * 100, "build.json": b"{}", "deeper/b": b"x"}
    with DrivenContainer(FakeEngine(Program(files=files)), SPEC) as container:
        copies = container.copy_out("/wheels", tmp_path)
    assert {path.name: path.read_bytes() for path in copies} == {"a.whl": files["a.whl"], "build.json": b"{}"}
    assert sorted(tmp_path.iterdir()) == sorted(copies)


@pytest.mark.parametrize("name", [pytest.param("../evil", id="parent"), pytest.param("../../evil", id="further")])
def test_copy_out_stays_in_its_directory(tmp_path: Path, name: str) -> None:
    """A name that leads elsewhere writes nothing outside the directory."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    with DrivenContainer(FakeEngine(Program(files={name: b"x"})), SPEC) as container:
        container.copy_out("/wheels", inside)
    assert [path for path in tmp_path.rglob("evil") if inside not in path.parents] == []
