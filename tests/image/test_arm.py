"""The image for 64-bit ARM answers, on such a machine or under emulation: half_plus_two and digits, over REST and gRPC.

ARM_IMAGE names it: the Dockerfile's, as `make test-arm` builds it, or one that continuous integration lays out faster.
"""

import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.protos import TensorProto
from tests.image import grpc_client
from tests.image.containers import ROOT, TrackedContainer, docker, http, wait_until
from tests.image.test_openvino_in_image import frozen_half_plus_two

IMAGE = os.environ.get("ARM_IMAGE", "")
DEMO = ROOT / "examples" / "demo_models"
SCRIPT = Path(__file__).with_name("openvino_precision.py")
START_SECONDS = 600.0
"""Under emulation on a busy machine."""

pytestmark = pytest.mark.skipif(not IMAGE, reason="ARM_IMAGE names no image for ARM: make test-arm")

CONFIG = """model_config_list {
  config { name: "half_plus_two" base_path: "/models/half_plus_two" model_platform: "tensorflow" }
  config { name: "digits" base_path: "/models/digits" model_platform: "tensorflow" }
}
"""


@pytest.fixture(scope="module")
def server(
    engine: None, tmp_path_factory: pytest.TempPathFactory, measured: dict[str, str]
) -> Iterator[TrackedContainer]:
    """A server of both demo models that is ready; how long that took is printed at the end."""
    config = tmp_path_factory.mktemp("arm") / "models.config"
    config.parent.chmod(0o755)
    config.write_text(CONFIG)
    options = [*platform_options(), f"--volume={config}:/models.config:ro", "--read-only", "--tmpfs=/tmp"]
    arguments = ["--model_config_file=/models.config"]
    with TrackedContainer(IMAGE, models=DEMO / "models", options=options, arguments=arguments) as container:
        url = container.url("/healthz/ready")

        def ready() -> bool:
            try:
                return http(url, timeout_seconds=20)[0] == 200
            except OSError:
                assert container.running(), container.logs()
                return False

        try:
            wait_until("the server is ready", ready, START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{container.logs()}") from error
        how = "" if platform.machine() == "aarch64" else " under emulation"
        measured[f"docker run to ready, on ARM{how}"] = f"{time.monotonic() - container.started:.1f} s"
        yield container


def platform_options() -> list[str]:
    """Old engines warn, between what they print, of an image for another machine that is not asked for by name."""
    architecture = docker("image", "inspect", "--format", "{{.Architecture}}", IMAGE).strip()
    return [f"--platform=linux/{architecture}"]


def digits() -> tuple[NDArray[np.float32], list[int]]:
    """The first ten images of the data set, ink from 0 to 1, and what they are."""
    with np.load(DEMO / "digits.npz") as data:
        return (data["images"][:10] / 16).astype(np.float32)[..., np.newaxis], data["labels"][:10].tolist()


def test_it_is_an_arm_cpu(server: TrackedContainer) -> None:
    """What runs is ARM's code, and the check of the CPU has passed it."""
    assert server.execute("uname", "-m").strip() == "aarch64"
    assert "tf_serving_check_cpu" not in server.logs()


def test_the_dockerfiles_image_says_what_it_is(engine: None) -> None:
    """An image for ARM by its own word, without the headers; what is laid out for tests has no labels."""
    described = json.loads(docker("image", "inspect", IMAGE))[0]
    if not described["Config"]["Labels"]:
        pytest.skip("not made by the Dockerfile")
    assert described["Architecture"] == "arm64"
    assert described["Config"]["Labels"]["serving.cpu-features"].endswith("aarch64: asimd")


def test_half_plus_two_over_rest(server: TrackedContainer) -> None:
    """The numbers of x86-64."""
    answer = server.predict("half_plus_two", {"instances": [1.0, 2.0, 5.0]})
    assert answer == {"predictions": [2.5, 3.0, 4.5]}


def test_half_plus_two_over_grpc(server: TrackedContainer) -> None:
    """By the native front, whose wheel is one for ARM."""
    answer = grpc_client.predict(server.address(8500), "half_plus_two", x=grpc_client.floats(1.0, 2.0, 5.0))
    assert answer["y"].tolist() == [2.5, 3.0, 4.5]


def test_digits_over_rest(server: TrackedContainer) -> None:
    """A convolutional network reads the ten digits."""
    images, labels = digits()
    rows = server.predict("digits", {"instances": images.tolist()})["predictions"]
    assert [row["classes"] for row in rows] == labels


def test_digits_over_grpc(server: TrackedContainer) -> None:
    """The same as one tensor, and the same probabilities as over REST."""
    images, labels = digits()
    tensor = TensorProto(dtype=grpc_client.DT_FLOAT, tensor_content=images.tobytes())
    for size in images.shape:
        tensor.tensor_shape.dim.add(size=size)
    answer = grpc_client.predict(server.address(8500), "digits", images=tensor)
    assert answer["classes"].tolist() == labels
    rows = server.predict("digits", {"instances": images.tolist()})["predictions"]
    np.testing.assert_allclose(answer["probabilities"], [row["probabilities"] for row in rows], rtol=0, atol=1e-6)


def test_openvino_computes_in_single_precision(engine: None, tmp_path: Path) -> None:
    """Of its own accord its plugin for ARM computes in half precision; the server's setting is taken."""
    tmp_path.chmod(0o755)
    graph = tmp_path / "graph.pb"
    graph.write_bytes(frozen_half_plus_two())
    graph.chmod(0o644)
    options = ["--rm", *platform_options(), "--network=none", "--entrypoint=python"]
    mounts = [f"--volume={graph}:/graph.pb:ro", f"--volume={SCRIPT}:/script.py:ro"]
    said = docker("run", *options, *mounts, IMAGE, "/script.py", "/graph.pb", timeout_seconds=START_SECONDS)
    assert json.loads(said.splitlines()[-1]) == {"own choice": "f16", "served": "f32"}
