"""The shell blocks of a page, and the person who reads the page and does what it says."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.server_process import START_SECONDS, ServerProcess

SECONDS = 240.0
"""How long one block may take."""

_OF_THE_SERVER = ("MODEL_NAME", "MODEL_BASE_PATH", "MODEL_CONFIG_FILE", "FLAGS", "PYTHON")
"""Variables that would make another server of the page's."""

_PORT = re.compile(r"\b850[01]\b")
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell_blocks(text: str) -> list[str]:
    """What is between ```` ```sh ```` and the end of the block, in the order of the page."""
    return [block.strip() for block in _BLOCK.findall(text)]


def terminal() -> dict[str, str]:
    """The variables of a shell in a terminal, also when these tests run inside `make test`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _OF_THE_SERVER and not name.startswith(("MAKE", "MFLAGS", "PYTEST"))
    }
    ours = {"CURL_HOME": str(Path(__file__).parent / "terminal"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**kept, **ours, "PYTHONUNBUFFERED": "1"}


def activated() -> dict[str, str]:
    """The variables of such a shell in which this environment is activated."""
    return {**terminal(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run_block(block: str, directory: Path, environment: Mapping[str, str], seconds: float = SECONDS) -> str:
    """What a block prints, errors among it. AssertionError with all of it if its status is not 0."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"not done within {seconds} s:\n{block}\n\n{output}") from None
    except BaseException:  # a test's own time limit among them: nothing may go on beside the next test
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert process.returncode == 0, f"status {process.returncode}:\n{block}\n\n{output}"
    return output


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A block of a page and all that it printed."""

    block: str
    output: str


class Reader:
    """Somebody at two terminals: one has the server, all other commands go into the other one.

    Ports 8500 and 8501 of a command are the server's, wherever these are. A context manager; the server ends with it.
    """

    server: ServerProcess

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.environment = environment
        self.ran: list[Ran] = []
        self._serving = False

    def enter(self, block: str) -> None:
        """Run a block of the page, which must succeed, and keep what it prints."""
        self.ran.append(Ran(block=block, output=self.shell(block)))

    def shell(self, block: str) -> str:
        """What one more block prints."""
        return run_block(self.with_ports(block), self.directory, self.environment)

    def with_ports(self, text: str) -> str:
        """The text for the server at hand; as it is before there is one."""
        return _PORT.sub(self._port, text) if self._serving else text

    def _port(self, written: re.Match[str]) -> str:
        return str(self.server.grpc_port if written[0] == "8500" else self.server.rest_port)

    def serve(self, script: str, seconds: float = START_SECONDS) -> None:
        """Start a server by a script, which gets flags for free ports as its arguments. The one before is stopped."""
        self.stop()
        command = ("bash", "-c", script, "bash")
        self.server = ServerProcess(
            [], wait=False, command=command, directory=self.directory, environment=self.environment
        )
        self._serving = True
        self.server.wait_until_serving(seconds)

    def stop(self) -> None:
        """Stop the server, if there is one."""
        if self._serving:
            self.server.stop()
            self._serving = False

    def output(self, words: str) -> str:
        """What the one block printed that has these words in it."""
        found = [ran.output for ran in self.ran if words in ran.block]
        assert len(found) == 1, f"{len(found)} blocks have {words!r}"
        return found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
