"""GPUs and images: what each variant says when there is none, and the variant gpu, which GPU_IMAGE names."""

import os
from pathlib import Path

import pytest

from tests.image.containers import TrackedContainer, docker, wait_until

QUESTION = {"instances": [1.0, 2.0, 5.0]}
ANSWER = {"predictions": [2.5, 3.0, 4.5]}
HALF_PLUS_TWO = {"MODEL_NAME": "half_plus_two"}
NO_DRIVER = "the NVIDIA driver is not here (libcuda.so.1: "
LIBRARIES = (
    *("cudart.so.12", "cublas.so.12", "cublasLt.so.12", "cudnn.so.9", "cufft.so.11"),
    *("cusolver.so.11", "cusparse.so.12", "cupti.so.12", "nccl.so.2"),
)
"""What TensorFlow asks the loader for, without `lib`."""


@pytest.fixture(scope="module")
def gpu_image(engine: None) -> str:
    """An image of the variant gpu; it is too large to be built by each run of the tests."""
    name = os.environ.get("GPU_IMAGE", "")
    if not name:
        pytest.skip("needs an image of the variant gpu, 5.8 GB, named by GPU_IMAGE")
    return name


@pytest.fixture
def gpu(engine: None) -> None:
    """A GPU that containers can have."""
    if "nvidia" not in docker("info", "--format", "{{json .Runtimes}}"):
        pytest.skip("needs a GPU: this Docker engine has no NVIDIA runtime")


def ends_with(image: str, models: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and log of a server that does not come up."""
    with TrackedContainer(image, models=models, environment=HALF_PLUS_TWO, arguments=arguments) as container:
        wait_until("the server ends", lambda: not container.running(), 60)
        return container.inspect()["State"]["ExitCode"], container.logs()


def test_the_cpu_image_has_no_gpu_to_give(image: str, models: Path) -> None:
    """A required GPU ends the start, and the sentence names the variant that could have one."""
    status, log = ends_with(image, models, "--require_gpu")
    assert status == 255
    assert "--require_gpu: no GPU can be used: this TensorFlow was built for CPUs alone; the image's variant gpu" in log


def test_without_a_driver_the_cpu_serves(gpu_image: str, models: Path) -> None:
    """The gpu image says in one line what is missing, and answers all the same."""
    with TrackedContainer(gpu_image, models=models, environment=HALF_PLUS_TWO) as container:
        container.wait_ready()
        assert container.predict("half_plus_two", QUESTION) == ANSWER
        lines = [line for line in container.logs().splitlines() if "No GPU can be used" in line]
    assert len(lines) == 1
    assert NO_DRIVER in lines[0]
    assert lines[0].endswith("The models run on the CPU")


def test_without_a_driver_a_required_gpu_ends_the_start(gpu_image: str, models: Path) -> None:
    """The same sentence is then the error."""
    status, log = ends_with(gpu_image, models, "--require_gpu")
    assert status == 255
    assert f"--require_gpu: no GPU can be used: {NO_DRIVER}" in log


def test_the_loader_finds_cudas_libraries(gpu_image: str) -> None:
    """Each library that TensorFlow asks for by name can be loaded."""
    names = [f"lib{name}" for name in LIBRARIES]
    script = f"import ctypes\nfor name in {names}: ctypes.CDLL(name)\nprint('all')"
    assert docker("run", "--rm", gpu_image, "python", "-c", script).strip() == "all"


def test_the_label_says_gpu(gpu_image: str) -> None:
    """The variant can be read without running anything."""
    label = '{{index .Config.Labels "serving.variant"}}'
    assert docker("image", "inspect", "--format", label, gpu_image).strip() == "gpu"


def test_models_run_on_the_gpu(gpu: None, gpu_image: str, models: Path) -> None:
    """With a driver the log names the device, and the answers are the same."""
    with TrackedContainer(
        gpu_image, models=models, environment=HALF_PLUS_TWO, options=["--gpus=all"], arguments=["--require_gpu"]
    ) as container:
        container.wait_ready()
        assert container.predict("half_plus_two", QUESTION) == ANSWER
        assert "The models run on /job:localhost/replica:0/task:0/device:GPU:0" in container.logs()
