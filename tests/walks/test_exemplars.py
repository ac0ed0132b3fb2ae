"""From a histogram to a trace, as docs/observing.md says: a real Prometheus keeps the exemplars of a server's page."""

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.collector import Collector
from tests.support.ports import HOST, free_port
from tests.support.server_process import ServerProcess, wait_until

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="there is no prometheus (Debian: prometheus)")

KEPT = {
    ":serving:request_seconds_bucket",
    ":serving:run_seconds_bucket",
    ":tensorflow:serving:request_latency_bucket",
    ":tensorflow:serving:runtime_latency_bucket",
}


def kept(port: int) -> dict[str, set[str]]:
    """The ids of traces in exemplars, by the names of their series; nothing while Prometheus does not answer."""
    query = "query=%7Bjob=%22serving%22%7D&start=0&end=9999999999"
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/v1/query_exemplars?{query}") as answer:
            found = json.load(answer)["data"]
    except OSError:
        return {}
    return {
        each["seriesLabels"]["__name__"]: {exemplar["labels"]["trace_id"] for exemplar in each["exemplars"]}
        for each in found
    }


def test_prometheus_keeps_the_traces_of_requests(models: Path, tmp_path: Path) -> None:
    """Those of every latency, without more than its feature being on."""
    port = free_port()
    flags = ["--model_name=half_plus_two", f"--model_base_path={models / 'half_plus_two'}"]
    flags += ["--tracing=otlp", "--metrics_per_version"]
    config = tmp_path / "prometheus.yml"
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with Collector() as collector, ServerProcess(flags, environment=collector.environment) as server:
        targets = f"static_configs: [{{targets: ['{HOST}:{server.rest_port}']}}]"
        config.write_text(
            f"global: {{scrape_interval: 200ms}}\nscrape_configs: [{{job_name: serving, {targets}}}]\n",
            encoding="utf-8",
        )
        trace = uuid4().hex
        headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        server.rest("POST", "/v1/models/half_plus_two:predict", '{"instances": [1.0]}', headers)
        with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                wait_until(f"{trace} in all of {KEPT}", lambda: kept(port) == {name: {trace} for name in KEPT})
            finally:
                process.terminate()
