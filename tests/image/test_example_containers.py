"""The `docker run` commands of the examples' pages, as they are written, after everything else that the page says."""

import re
from pathlib import Path

import pytest

from tests.image.foreground import in_foreground, skip_if_taken
from tests.support.shell_blocks import shell_blocks
from tests.walks.walk import EXAMPLES, Walk

pytestmark = pytest.mark.timeout(600)

ASKED_AGAIN = {
    "digits": "client.py --concurrency=10 --server=localhost:8500",
    "half_plus": "half_plus_three/versions/123:predict",
    "keras_mlp": "rest_client.py --server=localhost:8501",
    "resnet": "grpc_client.py --server=localhost:8500 --image=examples/resnet/flower.jpg --requests=100",
    "segmentation": "--evaluate=50",
    "session_bundle": "client.py --server=localhost:8500 --model_version=2",
    "tf_example": "rest_client.py classify --server=localhost:8501",
    "operations/batching": "--compare=models/plain.npz",
    "operations/canary": "labels/stable:predict",
    "operations/rolling": "v1/models/rolling",
    "operations/several_models": "v1/models/half:predict",
    "operations/tls": "--key=certificates/client.key --certificate=certificates/client.crt",
    "operations/warmup": "recorded/versions/2:predict",
}
"""How the one command of each page ends that is put to the container as well, and must print what it printed before."""

CHANGING = re.compile(r'\d ms\b|requests per second|^ratio|^\W*$|"status"|"error_|"END"|"version": "1"')
"""Lines that differ from one time to the next: durations, and versions that the page has taken away."""


def containers(page: Path) -> list[str]:
    """The page's commands that serve in a container of the image."""
    return [
        block
        for block in shell_blocks(page.read_text())
        if block.startswith("docker run") and "--entrypoint" not in block and "serving-with-ops" not in block
    ]


def lasting(output: str) -> list[str]:
    """The lines that are the same every time."""
    return [line for line in output.splitlines() if not CHANGING.search(line)]


def test_every_page_is_tried() -> None:
    """A page with such a command is in the table; the one in the list of examples is that of the digits."""
    found = {page.parent.relative_to(EXAMPLES).as_posix() for page in EXAMPLES.rglob("README.md") if containers(page)}
    assert found == {*ASKED_AGAIN, "."}
    assert containers(EXAMPLES / "README.md") == containers(EXAMPLES / "digits" / "README.md")


@pytest.mark.parametrize("name", ASKED_AGAIN)
def test_container_answers_like_the_server(name: str, image: str, tmp_path: Path) -> None:
    """The page's client gets from the container what it got from the page's own server, here or in tests/walks."""
    skip_if_taken()
    (block,) = containers(EXAMPLES / name / "README.md")
    with Walk(name, tmp_path) as walk:
        walk.run_before()
        (before,) = (ran for ran in walk.ran if ran.block.endswith(ASKED_AGAIN[name]))
        authority = tmp_path / "certificates" / "ca.crt"  # which the page on TLS has made
        with in_foreground(
            block, image, tmp_path, walk.environment, authority=authority if authority.exists() else None
        ):
            after = walk.shell(before.block)
    assert lasting(after)
    assert lasting(after) == lasting(before.output)
