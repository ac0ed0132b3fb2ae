"""Facts that stand in two files are the same in both. Needs no Docker."""

import re
import tomllib
from pathlib import Path

import pytest

from serving import __version__

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def argument(name: str) -> str:
    """The default of a build argument of the Dockerfile."""
    found = re.search(rf'^ARG {name}="?([^"\n]*)"?$', DOCKERFILE, re.MULTILINE)
    assert found, f"the Dockerfile has no ARG {name}"
    return found[1]


def test_the_label_has_the_servers_version() -> None:
    """The version in the image's labels is the package's."""
    assert argument("VERSION") == __version__


def test_the_base_is_the_pinned_one() -> None:
    """The Dockerfile's default base is what build/pins.toml says, tag and digest."""
    base = tomllib.loads((ROOT / "build" / "pins.toml").read_text())["base"]
    assert argument("BASE_IMAGE") == f"{base['image']}:{base['tag']}@{base['digest']}"
    assert re.fullmatch("sha256:[0-9a-f]{64}", base["digest"])


@pytest.mark.parametrize("syntax", ["--mount", "<<", "# syntax="])
def test_the_dockerfile_needs_no_buildkit(syntax: str) -> None:
    """The Docker SDK builds without BuildKit, so its syntax must stay out."""
    steps = [line for line in DOCKERFILE.splitlines() if not line.startswith("# The slim") and "(no " not in line]
    assert [line for line in steps if syntax in line] == []


@pytest.mark.parametrize("lock", ["requirements.lock", "build/images/build-backend.lock"])
def test_locked_packages_have_hashes_and_no_hosts(lock: str) -> None:
    """Each package is one version with its hashes, and no line says where to fetch it."""
    text = (ROOT / lock).read_text()
    packages = re.findall(r"^[a-z][^\n]*(?:\n[ ]+[^\n]*)*", text, re.MULTILINE)
    assert len(packages) >= 5
    assert [
        package for package in packages if not re.match(r"[\w.-]+(\[\w+\])?==.*--hash=sha256:", package, re.DOTALL)
    ] == []
    assert "://" not in text
