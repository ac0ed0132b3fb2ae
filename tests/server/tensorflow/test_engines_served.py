"""Servers that change the engine of a model while they answer: nothing is lost, and clients see no difference."""

import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.protos import message
from tests.conftest import made_by
from tests.server.doors.clients import GrpcClient, Target, predict_request
from tests.server.tensorflow.served import (
    DONE,
    FASTER,
    GRPC,
    NONE,
    REFUSED,
    REST,
    SCRIPT,
    TRYING,
    Seen,
    alike,
    ask_grpc,
    ask_rest,
    counted,
    lines,
    rows,
    server,
)
from tests.support import TIMEOUT_SECONDS
from tests.support.server_process import ServerProcess


@pytest.fixture(scope="module")
def model(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of ``make_engines.py``."""
    return made_by(SCRIPT, pytestconfig, tmp_path_factory) / "served"


@pytest.fixture(scope="module")
def off(model: Path) -> Iterator[ServerProcess]:
    """What clients see without any of this."""
    with server(model, "--optimize=off") as process:
        yield process


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The flag with which the metrics have a page."""
    path = tmp_path_factory.mktemp("monitoring") / "monitoring.config"
    path.write_text("prometheus_config { enable: true }")
    return f"--monitoring_config_file={path}"


@pytest.fixture(scope="module")
def answers(off: ServerProcess) -> dict[str, Seen]:
    """What the graph as saved gives for all of ``REST`` and ``REFUSED``."""
    found = {name: ask_rest(off, *each) for name, each in {**REST, **REFUSED}.items()}
    assert {name: found[name][0] for name in REST} == dict.fromkeys(REST, 200)
    assert all(found[name][0] >= 400 for name in REFUSED)
    return found


@pytest.fixture(scope="module")
def grpc_answers(off: ServerProcess) -> dict[str, Seen]:
    """The same for ``GRPC``."""
    client = GrpcClient(off)
    found = {name: ask_grpc(client, *each) for name, each in GRPC.items()}
    client.close()
    return found


@pytest.fixture(scope="module")
def changed(
    model: Path, cache: Path, monitoring: str, answers: dict[str, Seen]
) -> Iterator[tuple[ServerProcess, list[str]]]:
    """A server on OpenVINO, and what was answered otherwise while clients asked all through the change of engine."""
    wrong: list[str] = []
    with server(model, f"--optimize_cache_dir={cache}", monitoring, children=FASTER) as process:
        stop = threading.Event()

        def asking(*names: str) -> int:
            count = 0
            while not stop.is_set():
                for name in names:
                    seen = ask_rest(process, *{**REST, **REFUSED}[name])
                    if not (seen == answers[name] if name in REFUSED else alike(answers[name], seen)):
                        wrong.append(f"{name}: {seen!r:.300}")
                    count += 1
            return count

        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(asking, *names) for names in (("one row", "size", "classify"), ("columns", "index"))]
            try:
                process.wait_for(DONE, TIMEOUT_SECONDS)
            finally:
                stop.set()
            assert all(each.result(TIMEOUT_SECONDS) > 1 for each in calls)
        yield process, wrong
    assert process.process.returncode == 0
    assert lines(process, "Traceback") == []


def test_nothing_is_lost_in_the_change(changed: tuple[ServerProcess, list[str]]) -> None:
    """Every request is answered, as by the graph as saved, before, during and after."""
    process, wrong = changed
    assert wrong == []
    assert len(lines(process, "trying faster ways")) == 1
    assert process.wait_for(DONE)[1] == "optimised"


def test_it_is_available_before_anything_is_tried(changed: tuple[ServerProcess, list[str]]) -> None:
    """Both doors open first, and the log says what is going on and how to leave it out."""
    process, _ = changed
    (began,) = [number for number, line in enumerate(process.output) if TRYING in line]
    (ended,) = [number for number, line in enumerate(process.output) if re.search(DONE, line)]
    (doors,) = [number for number, line in enumerate(process.output) if "Exporting HTTP/REST API" in line]
    assert max(began, doors) < ended


@pytest.mark.parametrize("name", REST)
def test_answers_are_alike(changed: tuple[ServerProcess, list[str]], answers: dict[str, Seen], name: str) -> None:
    """Predict, Classify and Regress over REST."""
    assert alike(answers[name], ask_rest(changed[0], *REST[name]))


@pytest.mark.parametrize("name", REFUSED)
def test_errors_are_the_same(changed: tuple[ServerProcess, list[str]], answers: dict[str, Seen], name: str) -> None:
    """Status and body to the byte over REST."""
    assert ask_rest(changed[0], *REFUSED[name]) == answers[name]


@pytest.mark.parametrize("name", GRPC)
def test_grpc_is_alike(changed: tuple[ServerProcess, list[str]], grpc_answers: dict[str, Seen], name: str) -> None:
    """Outputs by their values, errors by code and text."""
    client = GrpcClient(changed[0])
    seen = ask_grpc(client, *GRPC[name])
    client.close()
    assert alike(grpc_answers[name], seen)


def test_outputs_are_those_asked_for(changed: tuple[ServerProcess, list[str]], off: ServerProcess) -> None:
    """An output filter takes of the step what it names."""
    request = predict_request(Target(model="m"), {"x": rows(2)}, output_filter=("first",))
    found = []
    for process in (off, changed[0]):
        client = GrpcClient(process)
        data = client.call("PredictionService/Predict", request)
        client.close()
        found.append(message("tensorflow.serving.PredictResponse").FromString(data))
    assert [list(each.outputs) for each in found] == [["first"], ["first"]]


def test_engines_are_counted(changed: tuple[ServerProcess, list[str]]) -> None:
    """A call that OpenVINO has answered is counted for it, one that TensorFlow has to answer is not."""
    process, _ = changed
    before = counted(process)
    ask_rest(process, *REST["one row"])
    ask_rest(process, *REFUSED["size"])
    after = counted(process)
    assert sum(after.values()) == sum(before.values()) + 1
    assert after["openvino"] == before["openvino"] + 1


def test_the_next_start_has_it_from_the_cache(
    changed: tuple[ServerProcess, list[str]], model: Path, cache: Path
) -> None:
    """No process is started, and the answers are the same to the bit."""
    process, _ = changed
    with server(model, f"--optimize_cache_dir={cache}", "--optimize_wait", children=NONE) as again:
        assert again.wait_for(DONE)[1] == "optimised"
        for name in REST:
            assert ask_rest(again, *REST[name]) == ask_rest(process, *REST[name])
    assert len(list(cache.iterdir())) == 1


def test_by_its_own_clock(model: Path, answers: dict[str, Seen]) -> None:
    """Whatever a machine finds faster, a version that waits is served by it, and answers as before."""
    with server(model, "--optimize_wait", "--optimize_engines=tensorflow") as process:
        found = [line for line in process.output if TRYING in line or re.search(DONE, line)]
        assert len(found) == 2
        assert all(alike(answers[name], ask_rest(process, *REST[name])) for name in REST)
        assert {name: ask_rest(process, *REFUSED[name])[0] for name in REFUSED} == {
            name: answers[name][0] for name in REFUSED
        }


def test_without_the_package_one_line_says_so(model: Path, tmp_path: Path, answers: dict[str, Seen]) -> None:
    """A server that was told to try only OpenVINO tells what it lacks, and serves."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['openvino'] = None\n")
    flags = ("--optimize_wait", "--optimize_engines=openvino")
    with server(model, *flags, environment={"PYTHONPATH": str(tmp_path)}) as process:
        assert "OpenVINO would be tried if the package openvino were installed" in process.wait_for(DONE)[2]
        assert len(lines(process, "openvino were installed")) == 1
        assert ask_rest(process, *REST["one row"]) == answers["one row"]


def test_a_server_that_ends_takes_its_processes_along(model: Path, tmp_path: Path) -> None:
    """A stop does not wait for what is being tried, and nothing is left behind."""
    started = tmp_path / "started"
    os.mkfifo(started)
    script = f"import os, sys; open({str(started)!r}, 'w').write(str(os.getpid())); sys.stdin.buffer.read()"
    with server(model, children=f"doing(sys.executable, '-c', {script!r})") as process:
        child = int(started.read_text())  # blocks until it is there
        process.terminate()
        assert process.wait() == 0
    assert not Path(f"/proc/{child}").exists()
    assert lines(process, "Traceback") == []
