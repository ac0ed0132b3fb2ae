"""The commands of README.md that need Docker, in order and as they are written, ports included."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.clean_clone import make_clone
from tests.image.conftest import DEFAULT_IMAGE
from tests.image.containers import docker, http, wait_until
from tests.image.test_compose import TOOL
from tests.shell_blocks import activated, run_block, shell_blocks

pytestmark = pytest.mark.docker

START_SECONDS = 120.0
SERVER = "http://localhost:8501"


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def ready() -> bool:
    """Whether a server with a model answers on the port of the page."""
    try:
        return http(f"{SERVER}/healthz/ready", timeout_seconds=5)[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def clone(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone in which `make serve` has made its models, on a machine with both ports free."""
    taken = [port for port in (8500, 8501) if not is_free(port)]
    if taken:
        pytest.skip(f"something listens on {taken}, which the page uses")
    directory = make_clone(tmp_path_factory.mktemp("containers") / "clone")
    script = directory / "examples" / "demo_models" / "make_models.py"
    subprocess.run([sys.executable, str(script), str(directory / ".demo")], check=True, capture_output=True)
    return directory


def environment(image: str) -> dict[str, str]:
    """As from a terminal, but for the image under test, and the network of builds where the engine has no other."""
    network = Path(os.environ.get("ENGINE_DIR", "/nonexistent")) / "build-network"
    host = network.is_file() and network.read_text().strip() == "host"
    return {**activated(), "IMAGE": image, "ARGS": "--network=host" if host else ""}


def end(process: "subprocess.Popen[bytes]") -> int:
    """What Ctrl-C in its terminal makes of a command: its status. A terminal sends it to all of its processes."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def blocks(clone: Path) -> list[str]:
    """The page's blocks with Docker."""
    found = shell_blocks((clone / "README.md").read_text())
    return [block for block in found if "docker" in block or "make image" in block]


@contextmanager
def in_foreground(block: str, clone: Path, image: str) -> Iterator[None]:
    """A command that serves until Ctrl-C, which must end it well."""
    process = subprocess.Popen(
        ["bash", "-euc", block.replace(DEFAULT_IMAGE, image)],
        cwd=clone,
        env=environment(image),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(f"ready: {block}", lambda: ready() or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, f"ended with {process.returncode}: {block}"
        yield
        assert end(process) == 0, block
    finally:
        if process.poll() is None:
            end(process)


def test_the_page_has_three_ways(clone: Path) -> None:
    """The blocks below are all there are."""
    assert [block.split()[-1] for block in blocks(clone)] == ["image", "tensorflow-serving-appliance:cpu", "up"]


def test_image_is_built(clone: Path, image: str) -> None:
    """`make image` builds it, here under another name; what has not changed comes from the engine's cache."""
    name = f"image_test_{uuid4().hex[:8]}:cpu"
    try:
        run_block(blocks(clone)[0], clone, environment(name), 1000.0)
        assert "tensorflow_model_server" in docker("run", "--rm", name, "--help")
    finally:
        docker("rmi", "--force", name)


def test_docker_run_answers(clone: Path, image: str) -> None:
    """The command serves the demo model on the port of the page."""
    with in_foreground(blocks(clone)[1], clone, image):
        status, text = http(f"{SERVER}/v1/models/half_plus_two:predict", {"instances": [1.0]})
    assert (status, text.split()) == (200, ["{", '"predictions":', "[2.5", "]", "}"])


def test_compose_answers(clone: Path, image: str) -> None:
    """The other model, by compose.yaml; docker-compose takes its place where the engine has no such plugin."""
    block = blocks(clone)[2].replace("docker compose", " ".join(TOOL))
    try:
        with in_foreground(block, clone, image):
            status, text = http(f"{SERVER}/v1/models/digits")
    finally:
        run_block(block.removesuffix("up") + "down --volumes", clone, environment(image))
    assert status == 200
    assert '"AVAILABLE"' in text
