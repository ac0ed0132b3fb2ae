"""What `make image` begins with: what is missing of Docker, and what to do, in place of an error of its client."""

from pathlib import Path

import pytest

from tests.unit.images.scripts import IMAGES, run

SCRIPT = IMAGES / "check-docker.sh"
DENIED = "permission denied while trying to connect to the Docker daemon socket"
STOPPED = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


def programs(directory: Path, docker: str) -> Path:
    """A directory with a ``docker`` of these lines."""
    (directory / "docker").write_text(f"#!/bin/sh\n{docker}\n")
    (directory / "docker").chmod(0o755)
    return directory


@pytest.mark.parametrize(
    ("says", "error", "advice"),
    [
        (DENIED, "may not use Docker's engine", "usermod -aG docker"),
        (STOPPED, "no Docker engine answers at its usual place", "systemctl start docker"),
    ],
    ids=["no right", "no engine"],
)
def test_what_is_missing(tmp_path: Path, says: str, error: str, advice: str) -> None:
    """The first line says it, and another one what to do."""
    done = run(SCRIPT, programs=programs(tmp_path, f'echo "{says}" >&2; exit 1'))
    assert done.status == 1
    first, *others = done.errors.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert any(advice in line for line in others)
    assert others[-1].endswith("make serve")


def test_no_client(tmp_path: Path) -> None:
    """Without the command it says where to get it."""
    for name in ("sh", "bash"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    done = run(SCRIPT, environment={"PATH": str(tmp_path)})
    assert done.status == 1
    assert done.errors.startswith("error: there is no docker command")


def test_all_is_there(tmp_path: Path) -> None:
    """Nothing is said, and the build goes on."""
    done = run(SCRIPT, programs=programs(tmp_path, "echo 27.0"))
    assert (done.status, done.output, done.errors) == (0, "", "")
