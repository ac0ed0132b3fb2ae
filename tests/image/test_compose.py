"""The server of compose.yaml, running, limits and metrics included."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

import pytest

from tests.image.containers import ROOT, docker, http, wait_until

COMPOSE = ROOT / "compose.yaml"
MONITORING = ROOT / "examples" / "monitoring"
DASHBOARD = MONITORING / "grafana" / "serving.json"
QUESTION = {"instances": [1.0, 2.0, 5.0]}
ANSWER = {"predictions": [2.5, 3.0, 4.5]}
PREDICT = "/v1/models/half_plus_two:predict"
TOOL = ("docker-compose",) if shutil.which("docker-compose") else ("docker", "compose")
PORTS = MappingProxyType({"GRPC_PORT": "127.0.0.1:0", "REST_PORT": "127.0.0.1:0"})

Compose = Callable[..., str]
"""``compose("up", "--detach")``: what the command prints."""


def run_compose(settings: Mapping[str, str], *arguments: str) -> str:
    """One command on compose.yaml with these variables."""
    command = [*TOOL, "--file", str(COMPOSE), *arguments]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def project(image: str, models: Path, service: str, **settings: str) -> Iterator[Compose]:
    """A project of its own whose ``service`` is ready; taken down afterwards."""
    variables = {
        **PORTS,
        "COMPOSE_PROJECT_NAME": f"image_test_{uuid4().hex[:8]}",
        "IMAGE": image,
        "GPU_IMAGE": image,
        "MODEL_NAME": "half_plus_two",
        "MODELS_DIR": str(models),
        **settings,
    }

    def compose(*arguments: str) -> str:
        return run_compose(variables, *arguments)

    def ready() -> bool:
        try:
            return http(address(compose, service) + "/healthz/ready", timeout_seconds=5)[0] == 200
        except OSError:
            return False

    try:
        compose("up", "--detach", "--no-build", service)
        wait_until("the service is ready", ready, 120)
        yield compose
    finally:
        compose("down", "--volumes")


def address(compose: Compose, service: str = "serving") -> str:
    """The URL of a service's REST port."""
    return f"http://{compose('port', service, '8501').strip()}"


@pytest.fixture(scope="module")
def compose(image: str, models: Path) -> Iterator[Compose]:
    """The default service, with batching and limits, ready."""
    flags = "--enable_batching --metrics_per_version"
    with project(image, models, "serving", FLAGS=flags, CPUS="1.5", MEMORY="2g") as running:
        yield running


def prometheus(setting: str) -> str:
    """The value of a setting of prometheus.yml."""
    found = re.search(rf"^ +{setting}: \[?([^\]\n]+)\]?$", (MONITORING / "prometheus.yml").read_text(), re.MULTILINE)
    assert found, setting
    return found[1]


def queried() -> set[str]:
    """The names of our metrics in the dashboard's queries."""
    dashboard = json.loads(DASHBOARD.read_text())
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    texts += [variable["definition"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    return {name for text in texts for name in re.findall(r":[a-z][a-z_:]+", text)}


@pytest.mark.parametrize(
    ("profile", "services"),
    [
        pytest.param([], {"serving"}, id="default"),
        pytest.param(["--profile", "gpu"], {"serving", "serving-gpu"}, id="gpu"),
        pytest.param(["--profile", "monitoring"], {"serving", "prometheus", "grafana"}, id="monitoring"),
    ],
)
def test_compose_reads_each_profile(engine: None, profile: list[str], services: set[str]) -> None:
    """The tool that is installed understands the file, and each profile adds its services."""
    listed = set(run_compose(PORTS, *profile, "config", "--services").split())
    # docker-compose 1.x lists the services of every profile.
    assert services <= listed


def test_compose_up_answers(compose: Compose) -> None:
    """`docker compose up` with a model's name and directory is all it takes."""
    status, answer = http(address(compose) + PREDICT, QUESTION)
    assert (status, json.loads(answer)) == (200, ANSWER)


def test_compose_sets_limits_and_takes_rights_away(compose: Compose) -> None:
    """CPUs and memory are those of the variables; nothing can be written and no right is left."""
    host = json.loads(docker("inspect", compose("ps", "--quiet", "serving").strip()))[0]["HostConfig"]
    assert (host["NanoCpus"], host["Memory"]) == (1_500_000_000, 2 * 2**30)
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])


def test_compose_reports_health(compose: Compose) -> None:
    """The service becomes healthy."""
    container = compose("ps", "--quiet", "serving").strip()
    status = ("inspect", "--format", "{{.State.Health.Status}}", container)
    wait_until("healthy", lambda: docker(*status).strip() == "healthy", 60)


def test_prometheus_would_find_every_metric_of_the_dashboard(compose: Compose) -> None:
    """Inside the network, under the name, port and path of prometheus.yml, is a page with all that is queried."""
    assert http(address(compose) + PREDICT, QUESTION)[0] == 200
    url = f"http://{prometheus('- names')}:{prometheus('port')}{prometheus('metrics_path')}"
    read = f"import urllib.request; print(urllib.request.urlopen('{url}', timeout=10).read().decode())"
    page = compose("exec", "-T", "serving", "python", "-c", read)
    found = set(re.findall(r"^(?:# TYPE )?(:[a-z_:]+)[{ ]", page, re.MULTILINE))  # some have no point for now
    assert len(queried()) > 5
    assert queried() - found == set()


def test_the_gpu_service_needs_a_gpu(engine: None, image: str, models: Path) -> None:
    """With NVIDIA's runtime the service has the device that it reserves."""
    if "nvidia" not in docker("info", "--format", "{{json .Runtimes}}"):
        pytest.skip("needs a GPU: this Docker engine has no NVIDIA runtime")
    gpu_image = os.environ.get("GPU_IMAGE", "")
    if not gpu_image:
        pytest.skip("needs an image of the variant gpu, named by GPU_IMAGE")
    with project(image, models, "serving-gpu", GPU_IMAGE=gpu_image, FLAGS="--require_gpu") as running:
        status, answer = http(address(running, "serving-gpu") + PREDICT, QUESTION)
        assert (status, json.loads(answer)) == (200, ANSWER)
