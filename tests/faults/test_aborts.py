"""A model whose run ends the process: nothing in the process can save it, so what is left is how it is told."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.faults import aborting_model
from tests.faults.light_load import healthy
from tests.faults.under_load import FLAGS
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats
from tests.support.ports import free_port
from tests.support.server_process import ServerProcess, wait_until, write_model_config

ABORT = Target(model="m", signature="abort")


@pytest.fixture
def flags(models: Path, tmp_path: Path) -> tuple[str, ...]:
    """Of a server of the model and a healthy one, on ports that another one can take."""
    aborting_model.write(tmp_path / "m" / "1")
    config = write_model_config(
        tmp_path / "models.config", {"healthy": models / "half_plus_three", "m": tmp_path / "m"}
    )
    return (f"--model_config_file={config}", *FLAGS, f"--port={free_port()}", f"--rest_api_port={free_port()}")


class Restarted:
    """The server, and whenever it ends by a signal another one, as an orchestrator does. A context manager."""

    def __init__(self, flags: tuple[str, ...]) -> None:
        self._flags = flags
        self._over = threading.Event()
        self.servers = [ServerProcess(flags)]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self.servers[-1].wait(timeout=600) < 0 and not self._over.is_set():
            self.servers.append(ServerProcess(self._flags, wait=False))

    def __enter__(self) -> "Restarted":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.servers[-1].kill()
        self._thread.join()


@pytest.fixture
def restarted(flags: tuple[str, ...]) -> Iterator[Restarted]:
    with Restarted(flags) as restarted:
        yield restarted


def test_the_process_ends_and_another_one_answers(restarted: Restarted) -> None:
    """By SIGABRT, with the operation's words in the log; calls in flight are lost cleanly, later ones are answered."""
    first = restarted.servers[0]
    client = GrpcClient(first)
    with healthy(first).running() as load:
        with pytest.raises(RefusedError) as it:
            client.predict(ABORT, {"x": floats(1)})
        assert it.value.code == grpc.StatusCode.UNAVAILABLE.name
        wait_until("it is restarted", lambda: len(restarted.servers) == 2)
        restarted.servers[1].wait_until_serving()
        load.is_answered()
    client.close()
    assert first.process.returncode == -signal.SIGABRT
    assert any(aborting_model.SAYS in line for line in first.output)
    assert load.trouble


def test_optimising_does_not_run_it(flags: tuple[str, ...]) -> None:
    """Signatures are tried to find the fastest engine; one with such an operation is not, and the start succeeds."""
    with ServerProcess((*flags, "--optimize_wait")) as server:
        with healthy(server).running() as load:
            load.is_answered()
        assert load.trouble == []
        assert server.process.poll() is None
