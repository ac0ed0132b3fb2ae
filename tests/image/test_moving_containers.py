"""The image in the place of TensorFlow Serving's, started as other programs start that one (docs/moving.md)."""

import json
from pathlib import Path

from tests.image.containers import RunContainer, http, wait_until

QUESTION = {"instances": [1.0, 2.0, 5.0]}
ANSWER = [2.5, 3.0, 4.5]


def version(models: Path) -> Path:
    """The one version of half_plus_two."""
    (found,) = [path for path in (models / "half_plus_two").iterdir() if path.name.isdigit()]
    return found


def test_started_as_by_kserve(run_container: RunContainer, models: Path) -> None:
    """KServe's runtime kserve-tensorflow-serving has a command, ports, a user and a mount of its own."""
    container = run_container(
        options=[
            "--entrypoint=/usr/bin/tensorflow_model_server",
            "--user=1000",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            f"--volume={models / 'half_plus_two'}:/mnt/models:ro",
            "--publish=127.0.0.1:0:8080",
        ],
        arguments=[
            "--model_name=half",
            "--port=9000",
            "--rest_api_port=8080",
            "--model_base_path=/mnt/models",
            "--rest_api_timeout_in_ms=60000",
        ],
    )
    url = f"http://{container.address(8080)}"
    wait_until("ready", lambda: is_ready(f"{url}/healthz/ready"), 60)
    status, answer = http(f"{url}/v1/models/half:predict", QUESTION)
    assert (status, json.loads(answer)) == (200, {"predictions": ANSWER})


def is_ready(url: str) -> bool:
    try:
        return http(url, timeout_seconds=5)[0] == 200
    except OSError:
        return False


def test_started_as_by_infra_validator(run_container: RunContainer, models: Path) -> None:
    """TFX's InfraValidator mounts one version and names it in variables."""
    container = run_container(
        environment={"MODEL_NAME": "infra-validation-model", "MODEL_BASE_PATH": "/model"},
        options=[f"--mount=type=bind,source={version(models)},target=/model/infra-validation-model/1,readonly"],
    )
    container.wait_ready()
    assert container.predict("infra-validation-model", QUESTION) == {"predictions": ANSWER}
