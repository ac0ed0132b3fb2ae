"""The page examples/monitoring: what was asked is on the metrics page. Compose itself is tested in tests/image."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.walks.walk import EXAMPLES, Walk

pytestmark = pytest.mark.timeout(300)

COUNT = ':tensorflow:serving:request_count{model_name="monitored",status="%s"} %d'


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Walk("monitoring", tmp_path_factory.mktemp("monitoring")) as walk:
        walk.run()
        yield walk


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(COUNT % ("OK", 2), id="answered"),
        pytest.param(COUNT % ("INVALID_ARGUMENT", 1), id="refused"),
        pytest.param(
            ':tensorflow:serving:request_latency_count{model_name="monitored",API="predict",entrypoint="REST"} 2',
            id="latency",
        ),
        pytest.param(':serving:version_state{model_name="monitored",version="1",state="AVAILABLE"} 1', id="version"),
    ],
)
def test_metrics_have_what_was_asked(walk: Walk, line: str) -> None:
    """Two requests were answered and one was refused, and the page that the reader sees says so."""
    assert line in walk.output("8501/metrics").splitlines()


def test_lines_of_the_page_are_printed(walk: Walk) -> None:
    """The lines that the README shows are among those that its command prints."""
    (shown,) = re.findall(
        r"^```text\n(.*?)^```$", (EXAMPLES / "monitoring/README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert set(shown.splitlines()) <= set(walk.output("8501/metrics").splitlines())


def test_metrics_of_the_table_exist(walk: Walk) -> None:
    """Each metric that the README names is on the server's page, those of batches apart, or on the dashboard."""
    named = set(re.findall(r"^\| `([:\w]+)` \|", (EXAMPLES / "monitoring/README.md").read_text(), re.MULTILINE))
    _, page = walk.server.rest("GET", "/monitoring/prometheus/metrics")
    dashboard = json.dumps(json.loads((EXAMPLES / "monitoring/grafana/serving.json").read_text()))
    assert len(named) == 11
    assert {name for name in named if f"# TYPE {name} " not in page.decode() and "batching" not in name} == set()
    assert {name for name in named if name not in dashboard} == set()
