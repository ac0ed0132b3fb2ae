"""The three lines of examples/custom_ops on top of the image: an operation compiled here is served in a container."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.image.containers import ROOT, TrackedContainer, docker, wait_until
from tests.support import plus_seven

DOCKERFILE = ROOT / "examples" / "custom_ops" / "Dockerfile"
NAME = {"MODEL_NAME": "plus_seven"}
QUESTION = {"instances": [1.0, 2.0]}
ANSWER = {"predictions": [8.0, 9.0]}


@pytest.fixture(scope="module")
def operation_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the model plus_seven."""
    directory = tmp_path_factory.mktemp("operation_models")
    plus_seven.write_model(directory / "plus_seven" / "1")
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o755)
    return directory


@pytest.fixture(scope="module")
def derived(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image made by the example's Dockerfile from the image under test and a library that is compiled here."""
    context = tmp_path_factory.mktemp("derived")
    library = plus_seven.compile_library(tmp_path_factory.mktemp("library"))
    (context / "ops").mkdir(mode=0o755)
    (context / "ops" / library.name).write_bytes(library.read_bytes())
    lines = DOCKERFILE.read_text().splitlines()
    (context / "Dockerfile").write_text("\n".join([f"FROM {image}", *lines[1:]]))
    name = f"image-test-{uuid4().hex[:8]}"
    docker("build", "--tag", name, str(context), timeout_seconds=300)
    yield name
    docker("rmi", name, check=False)


def test_the_operation_is_served(derived: str, operation_models: Path) -> None:
    """A model of the operation answers, also on a read-only file system, and arguments still reach the server."""
    options = ["--read-only"]
    with TrackedContainer(
        derived, models=operation_models, options=options, arguments=["--model_name=renamed"], environment=NAME
    ) as container:
        container.wait_ready()
        assert container.predict("renamed", QUESTION) == ANSWER


def test_without_the_library_it_is_named(image: str, operation_models: Path) -> None:
    """The image alone does not load the model, and says which operation is missing."""
    arguments = ["--max_num_load_retries=0"]
    with TrackedContainer(image, models=operation_models, arguments=arguments, environment=NAME) as container:
        wait_until("the server ends", lambda: not container.running(), 60)
        assert container.inspect()["State"]["ExitCode"] == 255
        assert "Op type not registered 'PlusSeven'" in container.logs()
