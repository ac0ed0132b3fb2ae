"""compose.yaml and what it mounts: their words agree. Its server, running, is in tests/image."""

import json
import re

import pytest

from serving.rest.app import OWN_METRICS_PATH
from tests.image.containers import ROOT
from tests.image.test_compose import COMPOSE, DASHBOARD, MONITORING, prometheus


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_images_have_tag_and_digest(name: str) -> None:
    """What is not built here is the same everywhere."""
    image = rf"^  {name}:\n    profiles: \[monitoring\]\n    image: [a-z/]+:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{{64}}$"
    assert re.search(image, COMPOSE.read_text(), re.MULTILINE)


def test_mounted_files_are_there() -> None:
    """For a file that is missing Docker makes a directory, which its reader then cannot read."""
    files = re.findall(r"^ +- \./(examples/[^:]+):", COMPOSE.read_text(), re.MULTILINE)
    assert len(files) == 5
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_prometheus_asks_the_name_that_the_servers_have() -> None:
    """The server's alias in the network, its REST port and its metrics page are those that Prometheus asks."""
    text = COMPOSE.read_text()
    assert f"aliases: [{prometheus('- names')}]" in text
    assert f':{prometheus("port")}"' in text
    assert prometheus("metrics_path") == OWN_METRICS_PATH


def test_grafana_finds_its_files() -> None:
    """The dashboard takes any Prometheus, the one that is set up at first, and lies where its provider looks."""
    sources = (MONITORING / "grafana" / "datasources.yml").read_text()
    folder = re.search(r"path: (.+)", (MONITORING / "grafana" / "dashboards.yml").read_text())
    dashboard = json.loads(DASHBOARD.read_text())
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    chosen = variables.pop("datasource")
    assert (chosen["type"], chosen["query"], chosen["current"]["value"]) == ("datasource", "prometheus", "default")
    assert "type: prometheus" in sources
    assert "isDefault: true" in sources
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    users = [each["datasource"]["uid"] for each in [*dashboard["panels"], *targets, *variables.values()]]
    assert set(users) == {"${datasource}"}
    assert folder is not None
    assert f"serving.json:{folder[1]}/serving.json:ro" in COMPOSE.read_text()


def test_panels_do_not_overlap() -> None:
    """Each cell of the dashboard's grid, 24 columns wide, belongs to one panel."""
    cells = [
        (at["x"] + column, at["y"] + row)
        for at in (panel["gridPos"] for panel in json.loads(DASHBOARD.read_text())["panels"])
        for column in range(at["w"])
        for row in range(at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) == 23
