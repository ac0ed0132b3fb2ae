"""What ResNet-50's clients share, without a server: names and latencies, and what they say when nobody can be asked."""

import importlib.util
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from tests.walks.test_resnet_weights import SCRIPTS

CLIENTS = [pytest.param("rest_client.py", id="rest"), pytest.param("grpc_client.py", id="grpc")]


@pytest.fixture(scope="module")
def answers() -> ModuleType:
    """The module that the clients share; examples are no package."""
    spec = importlib.util.spec_from_file_location("answers", SCRIPTS / "answers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_labels_are_in_imagenets_order(answers: ModuleType) -> None:
    """1000 names, no two alike, with known ones where they belong."""
    known = {0: "tench", 207: "golden retriever", 285: "Egyptian cat", 404: "airliner", 985: "daisy"}
    assert len(set(answers.LABELS)) == 1000
    assert {index: answers.LABELS[index] for index in known} == known


def test_networks_with_a_class_for_the_rest(answers: ModuleType) -> None:
    """Of 1001 classes the first is the background, and the names move by one."""
    probabilities = np.zeros(1001)
    probabilities[[0, 1]] = 0.3, 0.7
    assert answers.top_five(probabilities)[:2] == [(0.7, 1, "tench"), (0.3, 0, "background")]


@pytest.mark.parametrize(
    ("count", "expected"),
    [pytest.param(n, rank, id=str(n)) for n, rank in ((1, 1), (10, 10), (100, 99), (101, 100), (1000, 990))],
)
def test_percentiles(answers: ModuleType, count: int, expected: int) -> None:
    """The nearest rank, which is always one of the values."""
    assert answers.percentile(range(1, count + 1), 99) == expected


def test_report(answers: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The best five, then the mean and the 99th percentile of the calls that follow: here of 1, 2 and 6 ms."""
    probabilities = np.zeros(1000)
    probabilities[[985, 0, 207, 404, 285]] = 0.5, 0.25, 0.125, 0.0625, 0.03125
    milliseconds = iter([1000.0, 6.0, 1.0, 2.0])
    now = 0.0

    def ask() -> np.ndarray:
        nonlocal now
        now += next(milliseconds) / 1000
        return probabilities

    answers.report(ask, 3, lambda: now)
    assert capsys.readouterr().out.splitlines() == [
        "0.500000  985  daisy",
        "0.250000    0  tench",
        "0.125000  207  golden retriever",
        "0.062500  404  airliner",
        "0.031250  285  Egyptian cat",
        "3 requests: mean 3.0 ms, p99 6.0 ms",
    ]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("flag", "status", "expected"),
    [
        pytest.param("--server=localhost:1", 1, "localhost:1", id="no server"),
        pytest.param("--server=localhost", 1, "localhost", id="no port"),
        pytest.param("--server=http://localhost:8501", 1, "host:port", id="http"),
        pytest.param("--image=none.jpg", 2, "argument --image: [Errno 2] No such file", id="no picture"),
        pytest.param("--requests=-3", 2, "--requests is 0 or more, not -3", id="fewer requests than none"),
    ],
)
def test_clients_tell_what_was_wrong(client: str, flag: str, status: int, expected: str) -> None:
    """A client that cannot ask ends with a sentence."""
    done = subprocess.run([sys.executable, str(SCRIPTS / client), flag], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert "error: " in done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
