"""What clients of the examples say when they are used wrongly: a sentence and a status, never a stack trace."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.server_process import START_SECONDS
from tests.walks.walk import EXAMPLES

BATCHING = "operations/batching/measure.py --save=run.npz"
LABELS = "operations/canary/labels.py --base_path=models/labelled"
TRAFFIC = "operations/rolling/traffic.py --out=traffic"
WARMUP_CLIENT = "operations/warmup/client.py"
MAKE_WARMUP = "operations/warmup/make_warmup.py logs version --prefix=recorded"
TLS = "operations/tls/client.py --ca=certificates/ca.crt"
SEGMENTATION = "segmentation/client.py"

GRPC_CLIENTS = {
    "batching": BATCHING,
    "canary ask": "operations/canary/ask.py stable",
    "canary labels": f"{LABELS} stable=1",
    "rolling": TRAFFIC,
    "warmup": WARMUP_CLIENT,
    "tls": TLS,
    "tf_example": "tf_example/client.py classify",
    "segmentation": SEGMENTATION,
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the clients are started; it has the certificates that the one with TLS needs."""
    directory = tmp_path_factory.mktemp("mistakes")
    script = EXAMPLES / "operations" / "tls" / "make_certificates.sh"
    subprocess.run(["sh", str(script), "certificates"], cwd=directory, check=True, capture_output=True)
    return directory


def said(directory: Path, status: int, words: Sequence[str]) -> str:
    """What a script below ``examples`` prints, which ends with ``status`` and prints no stack trace."""
    command = [sys.executable, str(EXAMPLES / words[0]), *words[1:]]
    done = subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.mark.parametrize("command", GRPC_CLIENTS.values(), ids=GRPC_CLIENTS)
def test_nobody_there(directory: Path, command: str) -> None:
    """Without a server a client ends at once, with the code, the address, and what may be wrong."""
    address = f"localhost:{free_port()}"
    output = said(directory, 1, [*command.split(), f"--server={address}"])
    assert "UNAVAILABLE: " in output
    assert f"No server answers at {address}; is it running" in output


@pytest.mark.parametrize("command", GRPC_CLIENTS.values(), ids=GRPC_CLIENTS)
def test_address_of_rest(directory: Path, command: str) -> None:
    """A URL is not what gRPC takes, and the sentence has what it does take."""
    output = said(directory, 1, [*command.split(), "--server=http://localhost:8501"])
    assert output == "error: expected host:port, as in localhost:8500, got 'http://localhost:8501'\n"


def test_nobody_there_over_rest(directory: Path) -> None:
    """The client of the standard library says it, too."""
    address = f"localhost:{free_port()}"
    output = said(directory, 1, ["tf_example/rest_client.py", "classify", f"--server={address}"])
    assert output.startswith(f"error: no answer from http://{address}/v1/models/wine:classify: ")


@pytest.mark.parametrize(
    ("command", "status", "expected"),
    [
        pytest.param(f"{LABELS} stable", 2, "expected label=version, such as stable=1, got 'stable'", id="no version"),
        pytest.param(f"{LABELS} stable=x", 2, "expected label=version, such as stable=1, got 'stable=x'", id="a word"),
        pytest.param(f"{LABELS} =1", 2, "expected label=version, such as stable=1, got '=1'", id="no label"),
        pytest.param(f"{BATCHING} --requests=0", 2, "--requests and --in_flight are 1 or more", id="no requests"),
        pytest.param(f"{BATCHING} --in_flight=0", 2, "--requests and --in_flight are 1 or more", id="none in flight"),
        pytest.param(f"{WARMUP_CLIENT} --requests=1", 2, "--requests is 2 or more", id="nothing to compare"),
        pytest.param(f"{MAKE_WARMUP} --records=1001", 2, "--records is 1 to 1000, not 1001", id="too many records"),
        pytest.param(MAKE_WARMUP, 1, "error: [Errno 2] No such file or directory: 'logs'", id="no log"),
        pytest.param(f"{TLS} --key=none", 1, "error: [Errno 2] No such file or directory: 'none'", id="no key"),
        pytest.param(f"{SEGMENTATION} --evaluate=0", 2, "--evaluate is 1 or more, not 0", id="no pictures"),
        pytest.param("notes_in_sound/make_sound.py a.wav H4", 1, "no note: 'H4'; expected one such as", id="no note"),
        pytest.param(f"notes_in_sound/client.py {__file__}", 1, "is no WAV file that Python reads", id="no sound"),
        pytest.param("guess_language/rest_client.py predict none", 1, "error: [Errno 2] No such file", id="no text"),
        pytest.param(f"{SEGMENTATION} --synthetic=-1", 2, "--synthetic is 0 or more, not -1", id="no number"),
    ],
)
def test_arguments(directory: Path, command: str, status: int, expected: str) -> None:
    """An argument that cannot be used is named, with what is expected."""
    assert expected in said(directory, status, command.split())
