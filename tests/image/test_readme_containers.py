"""The commands of README.md that need Docker, in order and as they are written, ports included."""

import os
import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from tests.image.containers import docker, http
from tests.image.foreground import SERVER, in_foreground, skip_if_taken
from tests.image.test_compose import TOOL
from tests.support.clean_clone import make_clone
from tests.support.shell_blocks import activated, run_block, shell_blocks


@pytest.fixture(scope="module")
def clone(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone with the models where `make serve` lays them out, on a machine with both ports free."""
    skip_if_taken()
    directory = make_clone(tmp_path_factory.mktemp("containers") / "clone")
    shutil.copytree(directory / "examples" / "demo_models" / "models", directory / ".demo" / "models")
    return directory


def environment(image: str) -> dict[str, str]:
    """As from a terminal, but for the image under test, and the network of builds where the engine has no other."""
    network = Path(os.environ.get("ENGINE_DIR", "/nonexistent")) / "build-network"
    host = network.is_file() and network.read_text().strip() == "host"
    return {**activated(), "IMAGE": image, "ARGS": "--network=host" if host else ""}


def blocks(clone: Path) -> list[str]:
    """The page's blocks with Docker."""
    found = shell_blocks((clone / "README.md").read_text())
    return [block for block in found if "docker" in block or "make image" in block]


def test_the_page_has_three_ways(clone: Path) -> None:
    """The blocks below are all there are."""
    assert [block.split()[-1] for block in blocks(clone)] == ["image", "tensorflow-serving-appliance:cpu", "up"]


def test_image_is_built(clone: Path, image: str) -> None:
    """`make image` builds it, here under another name; what has not changed comes from the engine's cache."""
    name = f"image_test_{uuid4().hex[:8]}:cpu"
    try:
        run_block(blocks(clone)[0], clone, environment(name), 1000.0)
        assert "TensorFlow ModelServer: " in docker("run", "--rm", name, "--version")
    finally:
        docker("rmi", "--force", name)


def test_docker_run_answers(clone: Path, image: str) -> None:
    """The command serves the demo model on the port of the page."""
    with in_foreground(blocks(clone)[1], image, clone, environment(image)):
        status, text = http(f"{SERVER}/v1/models/half_plus_two:predict", {"instances": [1.0]})
    assert (status, text.split()) == (200, ["{", '"predictions":', "[2.5", "]", "}"])


def test_compose_answers(clone: Path, image: str) -> None:
    """The other model, by compose.yaml; docker-compose takes its place where the engine has no such plugin."""
    block = blocks(clone)[2].replace("docker compose", " ".join(TOOL))
    try:
        # The plugin's status after Ctrl-C is that of a shell's, docker-compose's is 0.
        with in_foreground(block, image, clone, environment(image), statuses=(0, 130)):
            status, text = http(f"{SERVER}/v1/models/digits")
    finally:
        run_block(block.removesuffix("up") + "down --volumes", clone, environment(image))
    assert status == 200
    assert '"AVAILABLE"' in text
