"""`docker stop` loses no request that has been read, and does not keep an idle server waiting."""

import concurrent.futures
import http.client
import json
import threading
import time
from pathlib import Path

from tests.image.containers import RunContainer, TrackedContainer, docker, wait_until

ESTABLISHED = "01"
REQUESTS = 4
MOMENTS, AT_A_TIME = 50, 3


def unread_bytes(container: TrackedContainer, port: int) -> list[int]:
    """For each open connection to a port inside the container: the bytes that the server has not read yet."""
    unread = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in container.execute("cat", table).splitlines()[1:]:
            _, local, _, state, queues, *_ = line.split()
            if state == ESTABLISHED and int(local.rpartition(":")[2], 16) == port:
                unread.append(int(queues.rpartition(":")[2], 16))
    return unread


def post(address: str, sent: list[str]) -> tuple[int, object]:
    """One request of the slow model over a connection of its own; ``sent`` grows once it has left."""
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("POST", "/v1/models/slow:predict", json.dumps({"instances": [1.0, 2.0]}))
        sent.append(address)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_requests_in_flight_are_answered(run_container: RunContainer, models: Path) -> None:
    """A stop while calls are being computed lets every one of them finish with its answer."""
    container = run_container(models=models, environment={"MODEL_NAME": "slow"})
    container.wait_ready()
    address, sent = container.address(8501), list[str]()
    with concurrent.futures.ThreadPoolExecutor(REQUESTS) as callers:
        answers = [callers.submit(post, address, sent) for _ in range(REQUESTS)]
        wait_until("all requests are sent", lambda: len(sent) == REQUESTS, 10)
        # Docker's proxy stands between; only the container's own socket table tells what the server has read.
        wait_until("all requests are read", lambda: unread_bytes(container, 8501) == [0] * REQUESTS, 10)
        assert not any(answer.done() for answer in answers), "the model is too fast to be stopped in between"
        docker("stop", "--time=60", container.id)
        assert [answer.result() for answer in answers] == [(200, {"predictions": [2.5, 3.0]})] * REQUESTS


def test_an_idle_server_stops_at_once(run_container: RunContainer, models: Path, measured: dict[str, str]) -> None:
    """With nothing to answer, `docker stop` takes less than three seconds and is a success, not a kill."""
    container = run_container(models=models, environment={"MODEL_NAME": "half_plus_two"})
    container.wait_ready()
    began = time.monotonic()
    docker("stop", "--time=30", container.id)
    seconds = time.monotonic() - began
    measured["docker stop of an idle server"] = f"{seconds:.2f} s"
    state = container.inspect()["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False), container.logs()
    assert seconds < 3


def test_a_server_that_still_waits_for_its_model_stops(run_container: RunContainer, models: Path) -> None:
    """Stopping works before any model has become available, too."""
    arguments = ["--rest_api_open_early"]
    container = run_container(models=models, environment={"MODEL_NAME": "absent"}, arguments=arguments)
    container.wait_live()
    began = time.monotonic()
    docker("stop", "--time=30", container.id)
    assert time.monotonic() - began < 3


def test_a_stop_at_any_moment_of_the_start(image: str, models: Path) -> None:
    """Fifty moments from Docker's word that the container runs to a little after it is ready: the status is 0."""

    def start() -> TrackedContainer:
        return TrackedContainer(image, models=models, environment={"MODEL_NAME": "half_plus_two"})

    def seconds(_: int) -> float:
        with start() as container:
            container.wait_ready()
            return time.monotonic() - container.started

    def ended(moment: float) -> object:
        with start() as container:
            threading.Event().wait(moment)
            docker("stop", "--time=60", container.id)
            return container.inspect()["State"]["ExitCode"]

    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as starters:
        longest = max(starters.map(seconds, range(AT_A_TIME)))
        moments = [1.1 * longest * moment / MOMENTS for moment in range(MOMENTS)]
        statuses = dict(zip(moments, starters.map(ended, moments), strict=True))
    assert {moment: status for moment, status in statuses.items() if status} == {}
