"""The files of examples/monitoring with a real Prometheus: it reads the server's page and can answer the dashboard."""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import HOST, free_port
from tests.support.server_process import ServerProcess, wait_until, write_model_config
from tests.walks.walk import EXAMPLES

MONITORING = EXAMPLES / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "serving.json").read_text())
ALERTS = (MONITORING / "alerts.yml").read_text()
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
TARGETS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
MODELS = ("half_plus_two", "half_plus_three")
PREDICT = "/v1/models/half_plus_two:predict"
FLAGS = ("--enable_batching", "--metrics_per_version")
IDLE = {"Calls that wait", "Rows that wait for a batch", "Bytes of answers not taken"}
"""Panels of what is 0 on a server that has nothing to do."""
MAY_BE_ABSENT = (":serving:container_memory_limit_bytes", ":serving:long_runs")
"""Without a limit, and without such a run."""

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not shutil.which("prometheus"), reason="there is no prometheus (Debian: prometheus)"),
]

Query = Callable[[str], list[Any]]
"""What Prometheus finds for an expression."""


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of two models that are available."""
    path = tmp_path_factory.mktemp("healthy") / "models.config"
    config = write_model_config(path, {name: models / name for name in MODELS})
    with ServerProcess([*FLAGS, f"--model_config_file={config}"]) as server:
        yield server


@pytest.fixture(scope="module")
def broken(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The REST port of a server that has half_plus_two, and will try for ever to load the model ``broken``."""
    directory, port = tmp_path_factory.mktemp("broken"), free_port()
    (directory / "broken" / "1").mkdir(parents=True)
    (directory / "broken" / "1" / "saved_model.pb").write_bytes(b"none")
    base_paths = {"half_plus_two": models / "half_plus_two", "broken": directory / "broken"}
    config = write_model_config(directory / "models.config", base_paths)
    flags = [f"--rest_api_port={port}", f"--model_config_file={config}", "--load_retry_interval_micros=3600000000"]
    flags += ["--rest_api_open_early"]  # for the start never ends
    with ServerProcess([*FLAGS, *flags], wait=False) as server:
        server.wait_for("Successfully loaded servable version {name: half_plus_two")
        server.wait_for("Loading servable: {name: broken version: 1} failed")
        yield port


@pytest.fixture(scope="module")
def prometheus(server: ServerProcess, broken: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus with the example's files, but for where servers are and how often it asks them."""
    directory, port = tmp_path_factory.mktemp("prometheus"), free_port()
    text, found = re.subn(
        r"    dns_sd_configs:\n(?:      .*\n)+",
        f"    static_configs:\n      - targets: [{HOST}:{server.rest_port}, {HOST}:{broken}]\n",
        (MONITORING / "prometheus.yml").read_text(),
    )
    shutil.copy(MONITORING / "alerts.yml", directory)
    config = directory / "prometheus.yml"
    config.write_text(text.replace("scrape_interval: 15s", "scrape_interval: 200ms"))
    assert found == 1
    assert "200ms" in config.read_text()
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    ]

    address = f"http://{HOST}:{port}"

    def are_up() -> bool:
        try:
            return [each["value"][1] for each in asked(address, "up")] == ["1", "1"]
        except OSError:
            return False

    with (directory / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(f"Prometheus has the servers' pages, see {log.name}", are_up)
            yield address
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def query(prometheus: str) -> Query:
    """Asks it."""
    return lambda expression: asked(prometheus, expression)


def asked(address: str, expression: str) -> list[Any]:
    """What it finds."""
    words = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{address}/api/v1/query?{words}", timeout=30) as answer:
        result: list[Any] = json.load(answer)["data"]["result"]
    return result


def filled_in(expression: str, *, job: str = "serving", model: str = ".*") -> str:
    """A query of the dashboard as Grafana sends it; all models are chosen unless one is given."""
    return expression.replace("$model", model).replace("$job", job).replace("$__rate_interval", "1m")


def values(found: list[Any]) -> list[float]:
    """The numbers that a query found, one for each series."""
    return [float(each["value"][1]) for each in found]


@pytest.mark.parametrize(("title", "expression"), TARGETS)
def test_dashboard_shows_something(title: str, expression: str, server: ServerProcess, query: Query) -> None:
    """After some requests each panel has numbers to draw, and but for those of idle queues not all of them are 0."""

    def has_numbers() -> bool:
        assert server.rest("POST", PREDICT, b'{"instances": [1.0, 2.0]}')[0] == 200
        assert server.rest("POST", PREDICT, b'{"instances": ["one"]}')[0] == 400
        found = values(query(filled_in(expression)))
        return any(value > 0 or title in IDLE for value in found) or any(name in expression for name in MAY_BE_ABSENT)

    wait_until(f"there is something for {expression}", has_numbers)


def test_first_load_is_shown(query: Query) -> None:
    """A model that was loaded once has one load, from the first look at it on."""
    (target,) = PANELS["Loads"]["targets"]
    loads = query(filled_in(target["expr"]))
    assert {each["metric"]["status"] for each in loads} == {"success", "fail"}
    assert {value > 0 for value in values(loads)} == {True}


def test_no_errors_are_a_share_of_0(server: ServerProcess, query: Query) -> None:
    """The share of errors of a model that never had one is 0, and not without data."""
    (target,) = PANELS["Share of errors"]["targets"]

    def is_0() -> bool:
        assert server.rest("POST", "/v1/models/half_plus_three:predict", b'{"instances": [1.0]}')[0] == 200
        return values(query(filled_in(target["expr"], model="half_plus_three"))) == [0]

    wait_until("the share is 0", is_0)


def test_servers_that_are_gone(query: Query) -> None:
    """Where Prometheus knows of no server any more, 0 of them answer."""
    (target,) = PANELS["Servers that answer"]["targets"]
    assert values(query(filled_in(target["expr"]))) == [2]
    assert values(query(filled_in(target["expr"], job="gone"))) == [0]


def test_model_without_an_available_version_has_0(query: Query) -> None:
    """Of the models that the panel shows, the one that could not be loaded has 0 available versions."""
    (target,) = PANELS["Available versions"]["targets"]
    found = {each["metric"]["model_name"]: float(each["value"][1]) > 0 for each in query(filled_in(target["expr"]))}
    assert found == {"half_plus_two": True, "half_plus_three": True, "broken": False}


def test_single_numbers_are_those_of_now() -> None:
    """A panel with one number asks for now; over a range it would go on showing the last one after servers are gone."""
    single = [panel for panel in DASHBOARD["panels"] if panel["type"] == "stat"]
    assert len(single) == 4
    assert {target.get("instant") for panel in single for target in panel["targets"]} == {True}


def test_alert_of_the_page(broken: int, query: Query) -> None:
    """The page's example of an alert fires for the model that was never available, and for no other."""
    (alert,) = re.findall(r"^```promql\n(.*?)^```$", (MONITORING / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    wait_until("the failed model is known", lambda: query(':serving:version_state{model_name="broken"}') != [])
    assert [each["metric"] for each in query(alert)] == [{"instance": f"{HOST}:{broken}", "model_name": "broken"}]


def test_rules_are_taken(prometheus: str) -> None:
    """Every rule of the file is there, and none fails on the pages that Prometheus has."""
    with urllib.request.urlopen(f"{prometheus}/api/v1/rules", timeout=30) as answer:
        (group,) = json.load(answer)["data"]["groups"]
    assert len(group["rules"]) == ALERTS.count("- alert:") == 8
    assert [rule["name"] for rule in group["rules"] if rule.get("lastError")] == []


def test_alert_of_the_file_is_that_of_the_page() -> None:
    """The page explains one of them, in the same words."""
    (shown,) = re.findall(r"^```promql\n(.*?)^```$", (MONITORING / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert " ".join(shown.split()) in " ".join(ALERTS.split())


def test_version_that_does_not_load_is_told_of(broken: int, query: Query) -> None:
    """By the rule, and for no version that was loaded."""
    (rule,) = re.findall(r"alert: VersionDoesNotLoad\n +expr: \|\n(.*?) +for:", ALERTS, re.DOTALL)
    wait_until("the failed load is known", lambda: query(rule) != [])
    (found,) = query(rule)
    assert found["metric"]["instance"] == f"{HOST}:{broken}"
    assert found["metric"]["model_path"].endswith("/broken/1")


def test_rules_ask_for_metrics_that_there_are(server: ServerProcess) -> None:
    """A rule for a name that no page has would never fire."""
    page = server.rest("GET", "/metrics")[1].decode()
    named = set(re.findall(r":[a-z]+:[a-z_:]+|process_[a-z_]+", ALERTS))
    assert len(named) > 5
    assert {name for name in named if f"# TYPE {name} " not in page} == set()
