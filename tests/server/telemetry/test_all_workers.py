"""Several workers seen as one server: metrics, page and log, whichever is asked, and while one of them crashes."""

import http.client
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from serving.processes.gathering import PATIENCE_SECONDS
from serving.telemetry.exposition import metric_name
from serving.telemetry.summing import GAUGES
from tests.server.telemetry.metrics_page import INSTANCES, POINT
from tests.support.collector import Collector
from tests.support.server_process import ServerProcess, wait_until
from tests.support.workers_server import WorkersServer

PREDICT = "/v1/models/half_plus_three:predict"
ANSWERED = ':tensorflow:serving:request_count{model_name="half_plus_three",status="OK"}'


@pytest.fixture(scope="module")
def flags(models: Path) -> list[str]:
    return [
        "--model_name=half_plus_three",
        f"--model_base_path={models / 'half_plus_three'}",
        "--optimize=off",
        "--metrics_per_version",
        "--max_in_flight=100",
        "--access_log=json",
    ]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def server(flags: list[str], collector: Collector) -> Iterator[WorkersServer]:
    with WorkersServer(2, [*flags, "--tracing=otlp"], environment=collector.environment) as running:
        yield running


def page(connection: http.client.HTTPConnection, path: str = "/metrics", **headers: str) -> str:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, text
    return text


def points(text: str) -> dict[str, float]:
    return {match[1]: float(match[2]) for line in text.splitlines() if (match := POINT.fullmatch(line))}


def predict(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", PREDICT, INSTANCES)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()


def sample(connection: http.client.HTTPConnection) -> dict[str, Any]:
    """The first sample of the page's events; the connection is of no use any more."""
    connection.request("GET", "/ui/data/events")
    answer = connection.getresponse()
    while True:
        if answer.readline() == b"event: sample\n":
            found: dict[str, Any] = json.loads(answer.readline().removeprefix(b"data: "))
            return found


def test_whoever_is_asked_has_the_sum(server: WorkersServer) -> None:
    """At both paths and in both formats; in the order and with the lines that one process has."""
    with server.connections() as connections:
        before = points(page(connections[0])).get(ANSWERED, 0)
        for times, connection in enumerate(connections.values(), 1):
            for _ in range(times):
                predict(connection)
        for connection in connections.values():
            for path in ("/metrics", "/monitoring/prometheus/metrics"):
                found = points(page(connection, path))
                assert found[ANSWERED] == before + 3
                assert found[':serving:workers{state="answered"}'] == 2
            openmetrics = page(connection, Accept="application/openmetrics-text; version=1.0.0")
            assert f"{ANSWERED} {before + 3:.0f}\n" in openmetrics
            assert openmetrics.endswith("# EOF\n")


def test_every_metric_is_there(server: WorkersServer, flags: list[str]) -> None:
    """The same types in the same order as one process has them, and two more; each gauge has a rule."""
    types = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)
    with server.connections() as connections:
        found = types.findall(page(connections[1]))
    with ServerProcess([*flags, "--tracing=otlp"]) as alone:
        expected = types.findall(alone.rest("GET", "/metrics")[1].decode())
    ours = {":serving:workers", ":serving:worker_restarts"}
    assert [each for each in found if each[0] not in ours] == expected
    assert {name for name, _ in found} == {name for name, _ in expected} | ours
    gauges = {name for name, kind in expected if kind == "gauge"}
    assert gauges <= {metric_name(name) for name in GAUGES}


def test_gauges_of_the_system(server: WorkersServer) -> None:
    """Memory and descriptors are sums; connections, which each worker counts for the machine, are not."""
    with server.connections() as connections:
        found = points(page(connections[0]))
        assert found[':serving:connections{entrypoint="REST"}'] >= 2
        assert found[':serving:version_state{model_name="half_plus_three",version="1",state="AVAILABLE"}'] == 1
        resident = sum(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for pid in server.pids().values()
        )
        assert found["process_resident_memory_bytes{}"] == pytest.approx(resident, rel=0.1)


def test_the_page_has_a_row_for_each(server: WorkersServer) -> None:
    """Requests of all are summed, and each worker says how many were its own."""
    with server.connections() as connections:
        for connection in connections.values():
            predict(connection)
    for number in (0, 1):
        with server.connections() as connections:
            shown = sample(connections[number])
        rows = shown["workers"]
        assert [row["worker"] for row in rows] == [0, 1]
        assert {row["worker"]: row["pid"] for row in rows} == server.pids()
        assert all(row["state"] == "serving" and row["requests"] and row["memory_bytes"] for row in rows)
        assert sum(row["requests"] for row in rows) == shown["models"]["half_plus_three"]["requests"]
        assert sum(row["memory_bytes"] for row in rows) == shown["memory_bytes"]


def test_lines_say_which_worker(server: WorkersServer) -> None:
    """A start is told once, by the first worker; the others say that they serve; requests say who had them."""
    with server.connections() as connections:
        for connection in connections.values():
            predict(connection)
    wait_until("both have a line", lambda: len(set(re.findall(r'"worker": (\d)', "".join(server.output)))) == 2)
    lines = "".join(server.output)
    assert "] worker 0: Successfully loaded servable version" in lines
    assert "] worker 1: Successfully loaded servable version" not in lines
    assert re.search(r"I all_workers\.py:\d+\] worker 1: Process \d+ serves too; \d+ lines of its start", lines)


def test_traces_say_which_worker(server: WorkersServer, collector: Collector) -> None:
    """In their resource: by number, and as an instance of the service."""
    said = []
    with server.connections() as connections:
        for connection in connections.values():
            trace = uuid4().hex
            connection.request("POST", PREDICT, INSTANCES, {"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
            assert json.loads(connection.getresponse().read())
            resource = collector.request(trace).resource
            said.append((resource["serving.worker"], resource["service.instance.id"].partition("/")[2]))
    assert said == [(0, "worker-0"), (1, "worker-1")]


def test_nothing_falls_when_a_worker_ends(flags: list[str]) -> None:
    """Whoever is asked before and after; the next process of that worker adds to it, and says all of its start."""
    with WorkersServer(2, flags) as server:
        with server.connections() as connections:
            for connection in connections.values():
                predict(connection)
            before = points(page(connections[1]))  # it alone has seen what it had counted, and it ends
        server.kill_worker_and_wait(1)
        with server.connections() as connections:
            for connection in connections.values():
                after = points(page(connection))
                fallen = {
                    name
                    for name, value in before.items()
                    if re.search(r"(_count|_total|_sum|_bucket|_requests|:requests)\{", name)
                    and after.get(name, 0) < value
                }
                assert not fallen
                assert after[ANSWERED] == 2
                assert after[':serving:worker_restarts{worker="1"}'] == 1
            predict(connections[1])
            assert points(page(connections[0]))[ANSWERED] == 3
            rows = sample(connections[1])["workers"]
        assert (rows[1]["restarts"], rows[1]["last_end"]) == (1, "was ended by SIGKILL")
        assert "] worker 1: Successfully loaded servable version" in "".join(server.output)


def test_a_worker_that_does_not_answer(server: WorkersServer) -> None:
    """Its last numbers are shown, after two seconds once, and at once from then on; then it is back."""
    with server.connections() as connections:
        for connection in connections.values():
            predict(connection)
        before = points(page(connections[0]))[ANSWERED]
        pid = server.pids()[1]
        os.kill(pid, signal.SIGSTOP)
        try:
            predict(connections[0])
            first = points(page(connections[0]))
            began = time.monotonic()
            second = points(page(connections[0]))
            assert time.monotonic() - began < PATIENCE_SECONDS
        finally:
            os.kill(pid, signal.SIGCONT)
        for found in (first, second):
            assert found[ANSWERED] == before + 1
            assert found[':serving:workers{state="late"}'] == 1
        wait_until("it is back", lambda: points(page(connections[0]))[':serving:workers{state="answered"}'] == 2)
