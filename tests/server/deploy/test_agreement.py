"""What the manifests say of the server holds: flags, ports, paths of probes, user, times, metrics."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.settings import FLAGS, parse
from tests.server.deploy.manifests import OVERLAYS, Rendered, overlays, read
from tests.server.telemetry.metrics_page import points
from tests.support.ports import HOST, free_port
from tests.support.server_process import REPOSITORY, ServerProcess, wait_until
from tests.walks.test_prometheus import asked

UNLOAD_SECONDS = 2
"""docs/operating.md, "Draining and exit statuses": unloading takes up to a second or two."""

OF_CONTROLLERS_SECONDS = 5
"""For endpoints to be taken out everywhere; the shortest preStop that the page names."""

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
EACH = pytest.mark.parametrize("name", overlays())


@pytest.fixture(scope="module")
def server(models: Path, rendered: dict[str, Rendered], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with the flags and the configuration of the overlay pvc, but for its ports and where the model is."""
    directory = tmp_path_factory.mktemp("pvc")
    (config,) = rendered["pvc"].one("ConfigMap")["data"].items()
    (directory / config[0]).write_text(config[1].replace("/models/model", str(models / "half_plus_three")))
    flags = [flag.replace("/etc/serving", str(directory)) for flag in rendered["pvc"].container()["args"]]
    with ServerProcess([flag for flag in flags if "port=" not in flag]) as running:
        yield running


@EACH
def test_flags_and_ports(rendered: dict[str, Rendered], name: str) -> None:
    """Each flag is one of the server's, is understood, and the ports of the pod are those that they name."""
    container = rendered[name].container()
    assert {flag.split("=")[0].removeprefix("--") for flag in container["args"]} <= {flag.name for flag in FLAGS}
    line = parse(container["args"], 2)
    assert line.unknown == ()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": line.settings.port, "rest": line.settings.rest_api_port}
    exposed = re.search(r"^EXPOSE (.*)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert exposed is not None
    assert sorted(ports.values()) == [int(port) for port in exposed[1].split()]


@EACH
def test_times(rendered: dict[str, Rendered], name: str) -> None:
    """A pod is killed after it could answer what it has; before SIGTERM it serves on while others learn of its end."""
    container = rendered[name].container()
    settings = parse(container["args"], 2).settings
    program, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    assert int(seconds) >= OF_CONTROLLERS_SECONDS
    together = int(seconds) + settings.drain_grace_seconds + UNLOAD_SECONDS
    assert together <= rendered[name].pod()["terminationGracePeriodSeconds"]
    assert settings.drain_delay_seconds < settings.drain_grace_seconds


@EACH
def test_user_is_that_of_the_image(rendered: dict[str, Rendered], name: str) -> None:
    """By number, which Kubernetes can tell from root."""
    users = re.findall(r"^USER (\d+):(\d+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    context = rendered[name].pod()["securityContext"]
    assert users == [(str(context["runAsUser"]), str(context["runAsGroup"]))]


def test_probes_are_answered(server: ServerProcess, rendered: dict[str, Rendered]) -> None:
    """By a server with these flags, at the paths of all three and of the metrics."""
    deployment, container = rendered["pvc"].one("Deployment"), rendered["pvc"].container()
    paths = {name: container[name]["httpGet"]["path"] for name in PROBES}
    assert {container[name]["httpGet"]["port"] for name in PROBES} == {"rest"}
    wait_until("it is ready", lambda: server.rest("GET", paths["readinessProbe"])[0] == 200)
    assert {path: server.rest("GET", path)[0] for path in paths.values()} == dict.fromkeys(paths.values(), 200)
    assert paths["readinessProbe"] != paths["livenessProbe"]
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == "8501"
    status, page = server.rest("GET", annotations["prometheus.io/path"])
    assert (status, b"# TYPE " in page) == (200, True)


def test_probes_tell_a_server_that_loads_from_one_that_is_dead(rendered: dict[str, Rendered], tmp_path: Path) -> None:
    """While there is no model the startup and liveness probes are answered with 200, and that of readiness with 503."""
    container = rendered["pvc"].container()
    (tmp_path / "models.config").write_text(rendered["pvc"].one("ConfigMap")["data"]["models.config"])
    flags = [flag.replace("/etc/serving", str(tmp_path)) for flag in container["args"] if "port=" not in flag]
    rest = free_port()
    with ServerProcess([*flags, f"--rest_api_port={rest}"], wait=False) as server:
        server.rest_port = rest
        server.wait_for("Could not find base path")
        answers = {name: server.rest("GET", container[name]["httpGet"]["path"])[0] for name in PROBES}
    assert answers == {"startupProbe": 200, "livenessProbe": 200, "readinessProbe": 503}


def rules() -> list[dict[str, Any]]:
    """Those for prometheus-adapter."""
    text = (OVERLAYS / "autoscaling" / "prometheus-adapter.yaml").read_text()
    (found,) = read({"adapter": text})["adapter"].manifests
    return list(found["rules"]["custom"])


def test_autoscaler_asks_for_a_metric_that_a_rule_makes(rendered: dict[str, Rendered]) -> None:
    """Its name there and here; it scales the deployment that there is."""
    found = rendered["autoscaling"]
    spec = found.one("HorizontalPodAutoscaler")["spec"]
    target = found.one("Deployment")
    assert spec["scaleTargetRef"]["name"] == target["metadata"]["name"]
    assert spec["scaleTargetRef"]["apiVersion"] == target["apiVersion"]
    names = {each["pods"]["metric"]["name"] for each in spec["metrics"] if each["type"] == "Pods"}
    assert len(names) == 1
    assert names <= {rule["name"]["as"] for rule in rules()}


def test_metrics_of_the_rules_are_on_the_page(models: Path) -> None:
    """Of a server with batching both are."""
    with ServerProcess(["--enable_batching", f"--model_base_path={models / 'half_plus_three'}"]) as server:
        names = {name.split("{")[0] for name in points(server, "/metrics")}
    for rule in rules():
        (name,) = re.findall(r'__name__="([^"]+)"', rule["seriesQuery"])
        assert name in names
        assert name in rule["metricsQuery"]


@pytest.mark.skipif(not shutil.which("prometheus"), reason="there is no prometheus (Debian: prometheus)")
def test_rules_find_their_samples(server: ServerProcess, tmp_path: Path) -> None:
    """A real Prometheus answers the rule's two queries, with the labels that it gives to samples of pods."""
    port = free_port()
    address = f"http://{HOST}:{port}"
    (tmp_path / "prometheus.yml").write_text(
        "scrape_configs: [{job_name: pods, metrics_path: /metrics, scrape_interval: 200ms, scrape_timeout: 200ms, "
        f"static_configs: [{{targets: ['{HOST}:{server.rest_port}'], labels: {{namespace: default, pod: one}}}}]}}]\n"
    )
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    (rule,) = [rule for rule in rules() if rule["name"]["as"] == "serving_calls_waiting"]
    labels = 'namespace="default",pod=~"one|two"'
    wanted = rule["metricsQuery"].replace("<<.LabelMatchers>>", labels).replace("<<.GroupBy>>", "pod")
    (series,) = re.fullmatch(r"'?(\{.*\})'?", rule["seriesQuery"]).groups()  # type: ignore[union-attr]

    def answers(query: str) -> list[Any]:
        try:
            return list(asked(address, query))
        except OSError:
            return []

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={HOST}:{port}"], stdout=log, stderr=log)
        try:
            wait_until(f"there are samples, see {log.name}", lambda: bool(answers(wanted)))
            assert [(each["metric"], each["value"][1]) for each in answers(wanted)] == [({"pod": "one"}, "0")]
            assert {each["metric"]["threads"] for each in answers(series)} == {"any", "short"}
        finally:
            process.terminate()
            process.wait(20)
