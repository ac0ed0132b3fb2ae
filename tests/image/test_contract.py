"""What an operator may count on: users, labels, health, flags, read-only file systems, messages that help."""

import json
import re
from pathlib import Path

import pytest

from serving import __version__
from tests.image.containers import RunContainer, TrackedContainer, docker, http, wait_until

QUESTION = {"instances": [1.0, 2.0, 5.0]}
ANSWER = {"predictions": [2.5, 3.0, 4.5]}
HALF_PLUS_TWO = {"MODEL_NAME": "half_plus_two"}


def test_the_server_is_process_one_and_not_root(half_plus_two: TrackedContainer) -> None:
    """The entrypoint has handed over to the server, so signals reach it, and nothing runs as root."""
    status = half_plus_two.execute("cat", "/proc/1/status")
    command_line = half_plus_two.execute("cat", "/proc/1/cmdline").split("\0")
    assert re.search(r"^Uid:\t65532\t65532\t65532\t65532$", status, re.MULTILINE)
    assert "/opt/serving/bin/tensorflow_model_server" in command_line


def test_the_user_has_a_name(half_plus_two: TrackedContainer) -> None:
    """Tools that look the number up find an account and a group, which cannot log in."""
    assert half_plus_two.execute("id", "--user", "--name").strip() == "serving"
    assert half_plus_two.execute("id", "--group", "--name").strip() == "serving"
    assert half_plus_two.execute("getent", "passwd", "serving").strip().endswith(":/tmp:/usr/sbin/nologin")


def test_a_probe_is_cheap(half_plus_two: TrackedContainer, measured: dict[str, str]) -> None:
    """The health check costs a few milliseconds of CPU, every five seconds."""
    probes = 20
    script = f"for i in {{1..{probes}}}; do /usr/bin/tf_serving_healthcheck --wait; done >/dev/null; times"
    children = half_plus_two.execute("bash", "-c", script).splitlines()[-1]
    spent = [60 * int(minutes) + float(seconds) for minutes, seconds in re.findall(r"(\d+)m([\d.]+)s", children)]
    assert len(spent) == 2
    measured["CPU per health probe"] = f"{1000 * sum(spent) / probes:.1f} ms"
    assert sum(spent) / probes < 0.02


def test_health_goes_from_starting_to_healthy(run_container: RunContainer, models: Path) -> None:
    """Docker calls the container healthy once the model answers, and not before."""
    container = run_container(models=models, environment=HALF_PLUS_TWO)
    assert container.health() == "starting"
    wait_until("healthy", lambda: container.health() == "healthy", 60)
    assert container.predict("half_plus_two", QUESTION) == ANSWER


def test_health_is_not_given_without_a_model(run_container: RunContainer, models: Path) -> None:
    """A server whose model is missing is unhealthy, and Docker's log of its health says what is missing."""
    options = ["--health-interval=1s", "--health-start-period=1s", "--health-retries=1"]
    container = run_container(models=models, environment={"MODEL_NAME": "absent"}, options=options)
    wait_until("unhealthy", lambda: container.health() == "unhealthy", 60)
    assert "/models/absent has no version to serve" in container.inspect()["State"]["Health"]["Log"][-1]["Output"]
    assert container.running()


def test_a_missing_model_is_noticed_within_a_minute(image: str) -> None:
    """By the image's own times, of which the test before takes shorter ones; while a model loads, a probe may wait."""
    second = 1_000_000_000
    (config,) = json.loads(docker("image", "inspect", "--format", "[{{json .Config.Healthcheck}}]", image))
    assert config["StartPeriod"] + (config["Retries"] + 1) * config["Interval"] < 60 * second
    assert config["Timeout"] == 600 * second
    assert config["Test"][-1] == "--wait"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--read-only", "--tmpfs=/tmp", "--user=12345:12345"], id="read-only-any-user"),
        pytest.param(["--read-only", "--user=12345:12345"], id="read-only-without-tmp"),
        pytest.param(["--user=0:0"], id="root"),
        pytest.param(["--cap-drop=ALL", "--security-opt=no-new-privileges"], id="no-capabilities"),
        pytest.param(["--init"], id="init"),
    ],
)
def test_answers_when_run(run_container: RunContainer, models: Path, options: list[str]) -> None:
    """Restrictions and other users change nothing for clients."""
    container = run_container(models=models, environment=HALF_PLUS_TWO, options=options)
    container.wait_ready()
    assert container.predict("half_plus_two", QUESTION) == ANSWER


def test_flags_are_passed_on(run_container: RunContainer, models: Path) -> None:
    """Arguments after the image's name reach the server, after the image's own, so that they win."""
    arguments = ["--rest_api_timeout_in_ms=5000", "--model_name=renamed"]
    container = run_container(models=models, environment=HALF_PLUS_TWO, arguments=arguments)
    container.wait_ready()
    assert container.execute("cat", "/proc/1/cmdline").rstrip("\0").split("\0")[-2:] == arguments
    assert container.predict("renamed", QUESTION) == ANSWER


def test_health_follows_a_moved_port(run_container: RunContainer, models: Path) -> None:
    """The health check asks the port that the flags name."""
    options = ["--health-interval=1s"]
    container = run_container(
        models=models, environment=HALF_PLUS_TWO, options=options, arguments=["--rest_api_port=9001"]
    )
    wait_until("healthy", lambda: container.health() == "healthy", 60)
    assert "200" in container.inspect()["State"]["Health"]["Log"][-1]["Output"]


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        pytest.param("absent", ["no model directory /models/absent", "half_plus_two", "-e MODEL_NAME="], id="missing"),
        pytest.param("empty", ["/models/empty has no version", "/models/empty/1/saved_model.pb"], id="no-version"),
    ],
)
def test_a_wrong_model_name_is_explained(
    run_container: RunContainer, models: Path, name: str, hints: list[str]
) -> None:
    """The log says what was looked for, what is there instead, and which option to give."""
    container = run_container(models=models, environment={"MODEL_NAME": name})
    wait_until("an explanation", lambda: hints[-1] in container.logs(), 30)
    logs = container.logs()
    assert [hint for hint in hints if hint not in logs] == []


def test_version_is_printed(image: str) -> None:
    """`docker run IMAGE --version` prints the two lines of tensorflow_model_server and ends well."""
    printed = docker("run", "--rm", image, "--version")
    assert re.search(r"^TensorFlow ModelServer: \S+\nTensorFlow Library: \d+\.\d+\.\d+\n", printed, re.MULTILINE)


def test_other_commands_run_instead(image: str, models: Path) -> None:
    """`docker run IMAGE saved_model_cli ...` shows what a model expects, with the image's TensorFlow."""
    command = ["saved_model_cli", "show", "--dir=/models/half_plus_two/1", "--tag_set=serve"]
    options = ["--rm", "--read-only", f"--volume={models}:/models:ro"]
    printed = docker("run", *options, image, *command, "--signature_def=serving_default")
    assert "inputs['x']" in printed
    assert "tensorflow/serving/predict" in printed


def test_labels_describe_the_image(image: str) -> None:
    """Version, licence, variant and CPU features can be read without running anything."""
    labels = docker("image", "inspect", "--format", "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}\n{{end}}", image)
    described = dict(line.split("=", 1) for line in labels.splitlines() if line)
    assert described["org.opencontainers.image.version"] == __version__
    assert described["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert described["org.opencontainers.image.base.name"]
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?", described["org.opencontainers.image.created"])
    assert described["serving.variant"] == "cpu"
    assert described["serving.cpu-features"]
    for name in ("accept-bind-to-port", "multi-models"):
        assert described[f"com.amazonaws.sagemaker.capabilities.{name}"] == "true"


def test_started_as_sagemaker_does(run_container: RunContainer, models: Path) -> None:
    """`docker run IMAGE serve` serves the models below /opt/ml/model, on the port that SageMaker gives it."""
    options = ["--health-interval=1s", f"--volume={models / 'half_plus_two'}:/opt/ml/model/half_plus_two:ro"]
    environment = {"SAGEMAKER_BIND_TO_PORT": "8501"}
    container = run_container(environment=environment, options=options, arguments=["serve"])
    wait_until("healthy", lambda: container.health() == "healthy", 60)
    assert http(container.url("/ping")) == (200, "")
    assert container.predict("half_plus_two", QUESTION) == ANSWER


def test_pythons_files_need_no_compiling(image: str) -> None:
    """Bytecode is in the image, for a read-only file system would have each start compile everything anew."""
    script = (
        "import importlib.util, pathlib, serving;"
        "files = [*pathlib.Path(serving.__file__).parent.rglob('*.py')];"
        "missing = [f for f in files if not pathlib.Path(importlib.util.cache_from_source(f)).exists()];"
        "print(len(files), len(missing))"
    )
    files, missing = docker("run", "--rm", image, "python", "-c", script).split()
    assert int(files) > 10
    assert missing == "0"
