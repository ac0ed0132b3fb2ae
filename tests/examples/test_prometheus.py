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

from tests.examples.walk import EXAMPLES
from tests.ports import HOST, free_port
from tests.server_process import ServerProcess, wait_until

MONITORING = EXAMPLES / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "serving.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
ALERT = 'sum by (model_name) (:serving:version_state{state="AVAILABLE"}) == 0'
PREDICT = "/v1/models/half_plus_two:predict"

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not shutil.which("prometheus"), reason="there is no prometheus (Debian: prometheus)"),
]

Query = Callable[[str], list[Any]]
"""What Prometheus finds for an expression."""


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[ServerProcess]:
    flags = (
        "--model_name=half_plus_two",
        f"--model_base_path={models / 'half_plus_two'}",
        f"--monitoring_config_file={MONITORING / 'monitoring.config'}",
        "--enable_batching",
    )
    with ServerProcess(flags) as server:
        yield server


@pytest.fixture(scope="module")
def query(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Query]:
    """A Prometheus with the example's file, but for where its server is and how often it is asked."""
    directory, port = tmp_path_factory.mktemp("prometheus"), free_port()
    text, found = re.subn(
        r"    dns_sd_configs:\n(?:      .*\n)+",
        f"    static_configs:\n      - targets: [{HOST}:{server.rest_port}]\n",
        (MONITORING / "prometheus.yml").read_text(),
    )
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

    def ask(expression: str) -> list[Any]:
        words = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/v1/query?{words}", timeout=30) as answer:
            result: list[Any] = json.load(answer)["data"]["result"]
        return result

    def is_up() -> bool:
        try:
            return [each["value"][1] for each in ask("up")] == ["1"]
        except OSError:
            return False

    with (directory / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(f"Prometheus has the server's page, see {log.name}", is_up)
            yield ask
        finally:
            process.terminate()


def filled_in(expression: str) -> str:
    """A query of the dashboard as Grafana sends it when all models are chosen."""
    return expression.replace("$model", ".*").replace("$__rate_interval", "1m")


@pytest.mark.parametrize("expression", QUERIES)
def test_dashboard_shows_something(expression: str, server: ServerProcess, query: Query) -> None:
    """After some requests each panel has numbers to draw."""

    def has_numbers() -> bool:
        assert server.rest("POST", PREDICT, b'{"instances": [1.0, 2.0]}')[0] == 200
        assert server.rest("POST", PREDICT, b'{"instances": ["one"]}')[0] == 400
        return any(each["value"][1] != "NaN" for each in query(filled_in(expression)))

    wait_until(f"there is something for {expression}", has_numbers)


def test_alert_of_the_page(server: ServerProcess, query: Query) -> None:
    """The page's example of an alert is silent for a model that serves."""
    assert ALERT in (MONITORING / "README.md").read_text().replace("\n", " ")
    assert query(ALERT) == []
    assert [each["value"][1] for each in query(ALERT.removesuffix(" == 0"))] == ["1"]
