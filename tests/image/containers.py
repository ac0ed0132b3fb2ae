"""Containers under test: started, asked and always removed. No tests; drives the docker command, as a person does."""

import json
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

START_SECONDS = 120.0

MOUNTED = "/models"
"""Where the image looks for models."""


def docker(*arguments: str, timeout_seconds: float = 120, check: bool = True) -> str:
    """Run ``docker ARGUMENTS``; standard output and error in one text. AssertionError with that text on failure."""
    done = subprocess.run(
        ["docker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    assert done.returncode == 0 or not check, f"docker {' '.join(arguments)}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def wait_until(what: str, predicate: Callable[[], bool], timeout_seconds: float) -> None:
    """Return as soon as ``predicate`` holds; AssertionError naming ``what`` when it does not within the time."""
    deadline = time.monotonic() + timeout_seconds
    pause = threading.Event()
    while not predicate():
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s: {what}"
        pause.wait(0.01)


def http(
    url: str, body: Any = None, timeout_seconds: float = 60, context: ssl.SSLContext | None = None
) -> tuple[int, str]:
    """GET, or POST of ``body`` as JSON: the status and the text of the answer. OSError when nobody answers.

    ``context`` says whom an https URL trusts.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=timeout_seconds) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class TrackedContainer:
    """One container of the image, from ``docker run`` to its removal on leaving the ``with`` block."""

    def __init__(
        self,
        image: str,
        *,
        models: Path | None = None,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        mounts = [f"--volume={models}:{MOUNTED}:ro"] if models else []
        settings = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        # Port 0 of this machine is any free one; which, is read back.
        ports = ["--publish=127.0.0.1:0:8500", "--publish=127.0.0.1:0:8501"]
        self.started = time.monotonic()
        self.id = docker("run", "--detach", *ports, *mounts, *settings, *options, image, *arguments).strip()

    def __enter__(self) -> "TrackedContainer":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Kill it, if it still runs, and forget it."""
        docker("rm", "--force", "--volumes", self.id, check=False)

    def inspect(self) -> Any:
        """What ``docker inspect`` knows."""
        return json.loads(docker("inspect", self.id))[0]

    def logs(self) -> str:
        """Everything it has printed so far."""
        return docker("logs", self.id)

    def execute(self, *command: str) -> str:
        """Run a command in it; what that printed."""
        return docker("exec", self.id, *command)

    def address(self, port: int) -> str:
        """``host:port`` on this machine for a published port of the container."""
        return docker("port", self.id, str(port)).splitlines()[0]

    def url(self, path: str) -> str:
        """A REST URL."""
        return f"http://{self.address(8501)}{path}"

    def health(self) -> str:
        """Docker's word for its health: starting, healthy or unhealthy."""
        return str(self.inspect()["State"]["Health"]["Status"])

    def running(self) -> bool:
        """Whether its process lives."""
        return bool(self.inspect()["State"]["Running"])

    def wait_live(self) -> None:
        """Wait until the server answers at all, with or without a model; AssertionError with the log otherwise."""
        self._wait_for("/healthz/live")

    def wait_ready(self) -> None:
        """Wait until every model is available; AssertionError with the log when the server ends or time runs out."""
        self._wait_for("/healthz/ready")

    def _wait_for(self, path: str) -> None:
        url = self.url(path)

        def answers() -> bool:
            try:
                return http(url, timeout_seconds=5)[0] == 200
            except OSError:
                assert self.running(), "the container ended"
                return False

        try:
            wait_until(f"{path} is 200", answers, START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from error

    def predict(self, name: str, body: Any) -> Any:
        """POST to a model's predict URL; the decoded answer, which must be a success."""
        status, answer = http(self.url(f"/v1/models/{name}:predict"), body)
        assert status == 200, f"{status} {answer}\n{self.logs()}"
        return json.loads(answer)


RunContainer = Callable[..., TrackedContainer]
"""``run_container(models=..., environment=..., options=..., arguments=...)``: the fixture of that name."""
