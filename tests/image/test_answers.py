"""The running image answers as the models do, over REST and gRPC."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.image import grpc_client
from tests.image.containers import RunContainer, TrackedContainer, http, wait_until

Answer = tuple[NDArray[Any], NDArray[Any]]
"""Classes and probabilities, a row for each image."""


def ask_rest(container: TrackedContainer, images: list[bytes]) -> Answer:
    instances = [{"b64": base64.b64encode(image).decode()} for image in images]
    rows = container.predict("resnet", {"instances": instances})["predictions"]
    return np.array([row["classes"] for row in rows]), np.array([row["probabilities"] for row in rows])


def ask_grpc(container: TrackedContainer, images: list[bytes]) -> Answer:
    answer = grpc_client.predict(container.address(8500), "resnet", image_bytes=grpc_client.strings(*images))
    return answer["classes"], answer["probabilities"]


def test_half_plus_two_over_rest(half_plus_two: TrackedContainer) -> None:
    """The smoke test of tensorflow/serving's own images holds here."""
    answer = half_plus_two.predict("half_plus_two", {"instances": [1.0, 2.0, 5.0]})
    assert answer == {"predictions": [2.5, 3.0, 4.5]}


def test_half_plus_two_over_grpc(half_plus_two: TrackedContainer) -> None:
    """The same model answers Predict on port 8500."""
    answer = grpc_client.predict(half_plus_two.address(8500), "half_plus_two", x=grpc_client.floats(1.0, 2.0, 5.0))
    assert answer["y"].tolist() == [2.5, 3.0, 4.5]


def test_time_to_the_first_answer(run_container: RunContainer, models: Path, measured: dict[str, str]) -> None:
    """From `docker run` to a first prediction takes seconds, not the import of TensorFlow."""
    container = run_container(models=models, environment={"MODEL_NAME": "half_plus_two"})
    url = container.url("/v1/models/half_plus_two:predict")

    def answers() -> bool:
        try:
            return http(url, {"instances": [1.0]}, timeout_seconds=5)[0] == 200
        except OSError:
            assert container.running(), container.logs()
            return False

    wait_until("a first answer", answers, 60)
    seconds = time.monotonic() - container.started
    measured["docker run to the first answer of half_plus_two"] = f"{seconds:.2f} s"
    assert seconds < 15


@pytest.fixture(scope="module")
def resnet_server(image: str, resnet: tuple[Path, Path]) -> Any:
    with TrackedContainer(image, models=resnet[0], environment={"MODEL_NAME": "resnet"}) as container:
        container.wait_ready()
        yield container


@pytest.mark.parametrize("ask", [pytest.param(ask_rest, id="rest"), pytest.param(ask_grpc, id="grpc")])
@pytest.mark.parametrize("names", [["waves.jpg"], ["noise.png"], ["noise.png", "waves.jpg"]], ids="+".join)
def test_resnet_of_image_files(
    resnet_server: TrackedContainer,
    resnet: tuple[Path, Path],
    ask: Callable[[TrackedContainer, list[bytes]], Answer],
    names: list[str],
) -> None:
    """Image files go in as they are, and come out as TensorFlow itself classifies them."""
    samples = resnet[1]
    expected = json.loads((samples / "expected.json").read_text())
    classes, probabilities = ask(resnet_server, [(samples / name).read_bytes() for name in names])
    assert probabilities.shape == (len(names), 1000)
    assert classes.tolist() == [expected[name]["class"] for name in names]
    np.testing.assert_allclose(probabilities, [expected[name]["probabilities"] for name in names], rtol=0, atol=1e-5)
