"""The processes that freeze and try: what becomes of one that fails, is ended or lies."""

import os
import sys
import threading
from pathlib import Path

import pytest

from serving.optimizing.candidates import Group, NotOptimizedError, Step
from serving.optimizing.freezing import FrozenGraph, Kind, Model, frozen
from serving.optimizing.process import Answer, Children, Programs
from tests.server.tensorflow.optimizing import memory_file, open_files
from tests.support import TIMEOUT_SECONDS

PREAMBLE = """
import json, os, socket, sys, time
connection = socket.socket(fileno=os.dup(0))
request = json.loads(connection.makefile("rb").readline())
def answer(**fields): connection.sendall(json.dumps(fields).encode() + b"\\n")
def file(data):
    fd = os.memfd_create("f")
    os.write(fd, data)
    return fd
def give(fds):
    for start in range(0, len(fds), 100): socket.send_fds(connection, [b"."], fds[start : start + 100])
"""


def command(script: str) -> tuple[str, ...]:
    """A program that has read its request, and does this."""
    return sys.executable, "-c", PREAMBLE + script


def ask(script: str, **options: float) -> Answer:
    """What a child says that does this."""
    return Children().ask(command(script), {"path": "/m/1"}, **options)  # type: ignore[arg-type]


def contents(answer: Answer) -> list[bytes]:
    """What is in the files, which are then closed."""
    read = [os.pread(fd, 1000, 0) for fd in answer.files]
    answer.close()
    return read


@pytest.mark.parametrize("count", [0, 1, 100, 205])
def test_files_are_handed_over(count: int) -> None:
    """Every file arrives, in order, however many they are."""
    answer = ask(f"answer(files={count}, said=request['path']); give([file(b'%d' % n) for n in range({count})])")
    assert answer.facts["said"] == "/m/1"
    assert contents(answer) == [b"%d" % number for number in range(count)]


def test_files_go_along() -> None:
    """A child finds the files that it is given under their numbers, open to be read."""
    given = memory_file(b"weights")
    script = "answer(files=1); give([file(os.pread(request['file'], 100, 0) + b', read')])"
    answer = Children().ask(command(script), {"file": given}, [given])
    os.close(given)
    assert contents(answer) == [b"weights, read"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("answer(error='no, ' + request['path'])", "no, /m/1", id="refuses"),
        pytest.param("sys.exit('bad\\nworse')", "ended with status 1: worse", id="fails"),
        pytest.param("os.kill(os.getpid(), 11)", "ended with status -11: no words", id="crashes"),
        pytest.param("answer(files=3)", "ended with status ", id="keeps the files"),
        pytest.param("connection.sendall(b'{')", "ended with status ", id="breaks off"),
        pytest.param("connection.sendall(b'{]\\n')", "ended with status ", id="speaks another language"),
        pytest.param("answer(files=3); give([file(b'g')])", "ended with status ", id="keeps some files"),
    ],
)
def test_failures(script: str, reason: str) -> None:
    """A child that gives nothing is a reason to serve the model as it is, and leaves nothing open."""
    before = open_files()
    with pytest.raises(NotOptimizedError, match=reason):
        ask(script)
    assert open_files() == before


def test_a_child_may_not_take_forever() -> None:
    """After the time limit the child is ended."""
    with pytest.raises(NotOptimizedError, match="took too long"):
        ask("connection.recv(1)", timeout_seconds=0.01)


def test_nothing_is_started_for_nobody() -> None:
    """A version that has been unloaded is no longer tried, and nobody needs to hear of it."""
    with pytest.raises(NotOptimizedError, match="it is unloaded") as raised:
        Children().ask(("/no/such/program",), {}, given_up=lambda: True)
    assert raised.value.expected


def test_the_end_of_the_server_ends_the_child(tmp_path: Path) -> None:
    """Closing ends what runs, and nothing starts any more."""
    os.mkfifo(tmp_path / "started")
    children = Children()
    script = f"open({str(tmp_path / 'started')!r}, 'w').close(); connection.recv(1)"
    reasons = []

    def run() -> None:
        try:
            children.ask(command(script), {})
        except NotOptimizedError as reason:
            reasons.append((str(reason), reason.expected))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    (tmp_path / "started").read_bytes()  # blocks until the child is there
    children.close()
    thread.join(TIMEOUT_SECONDS)
    assert reasons == [("the process that optimises it ended with status -9: no words", True)]
    with pytest.raises(NotOptimizedError, match="the server ends"):
        children.ask(command(script), {})


GROUPS = tuple(Group(step=Step((f"x{n}:0",), (f"y{n}:0",)), signatures=(f"s{n}",)) for n in range(3))


def test_frozen_graphs_come_with_their_weights() -> None:
    """Each step has its own graph and files, or the reason why there is none."""
    script = (
        "answer(parts=[{'weights': 2}, {'error': 'no ' + request['steps'][1]['feeds'][0]}, {'weights': 0}], files=4)\n"
        "give([file(each) for each in (b'g0', b'a', b'b', b'g2')])"
    )
    children = Children(Programs(freezing=command(script)))
    one, reason, other = frozen(children, Model(path=Path("/m/1"), tags=("serve",), config=b""), GROUPS, Kind.OPTIMIZED)
    assert reason == "no x1:0"
    for graph, read, weights in ((one, b"g0", [b"a", b"b"]), (other, b"g2", [])):
        assert isinstance(graph, FrozenGraph)
        assert graph.read() == read
        assert [os.pread(fd, 10, 0) for fd in graph.weights] == weights
        graph.close()
