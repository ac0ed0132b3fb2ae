"""Dockerfile.devel's versions are those of build/pins.toml and of the lock, and any engine builds it. No Docker."""

import re
import tomllib
from typing import Any

import pytest

from tests.image.containers import ROOT

DOCKERFILE = (ROOT / "Dockerfile.devel").read_text()
PINS: dict[str, Any] = tomllib.loads((ROOT / "build" / "pins.toml").read_text())


def argument(name: str) -> str:
    """The default of a build argument."""
    found = re.search(rf'^ARG {name}="?([^"\n]*)"?$', DOCKERFILE, re.MULTILINE)
    assert found, f"Dockerfile.devel has no ARG {name}"
    return found[1]


@pytest.mark.parametrize(
    ("name", "pinned"),
    [
        ("BASE_IMAGE", "{base[image]}:{base[tag]}@{base[digest]}"),
        ("TENSORFLOW_VERSION", "{tensorflow[version]}"),
        ("TENSORFLOW_COMMIT", "{tensorflow[commit]}"),
        ("BAZELISK_VERSION", "{bazelisk[version]}"),
        ("BAZELISK_INTEGRITY", "{bazelisk[integrity]}"),
    ],
)
def test_arguments_are_pinned(name: str, pinned: str) -> None:
    """Both files say the same."""
    assert argument(name) == pinned.format(**PINS)


def test_the_source_is_the_locks() -> None:
    """The wheel that is compiled fits the packages that the runtime image installs with it."""
    assert f"tensorflow-cpu=={argument('TENSORFLOW_VERSION')} " in (ROOT / "requirements.lock").read_text()
    assert PINS["tensorflow"]["tag"] == f"v{argument('TENSORFLOW_VERSION')}"


def test_the_commit_is_pinned() -> None:
    """The script that fetches the source has version and commit of build/pins.toml, the commit whole."""
    script = (ROOT / "build" / "images" / "devel" / "fetch-source").read_text()
    found = re.search(r"^readonly PINNED_VERSION=(\S+) PINNED_COMMIT=([0-9a-f]{40})$", script, re.MULTILINE)
    assert found
    assert found.groups() == (PINS["tensorflow"]["version"], PINS["tensorflow"]["commit"])


def test_the_compiler_is_pinned() -> None:
    """Debian's package carries its major version in its name, and every script asks for that one."""
    package = PINS["clang"]["debian"]
    assert re.search(rf"^\t\t{package} \\$", DOCKERFILE, re.MULTILINE)
    scripts = [path for path in (ROOT / "build" / "images").rglob("*") if path.is_file() and path.suffix != ".c"]
    found = {name for path in scripts for name in re.findall(r"\bclang-\d+", path.read_text())}
    assert found == {package}
    # where Debian puts it, which the command lines for Bazel name
    directories = {name for path in scripts for name in re.findall(r"/usr/lib/(llvm-\d+)/bin/clang", path.read_text())}
    assert directories == {package.replace("clang", "llvm")}


def test_the_stages() -> None:
    """Each stage goes on from the one before, and the last carries the wheel on the toolchain alone."""
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert stages == [
        ("${BASE_IMAGE}", "toolchain"),
        ("toolchain", "source"),
        ("source", "wheel"),
        ("toolchain", "devel"),
    ]


UPSTREAM = {
    "TF_SERVING_VERSION_GIT_BRANCH": "master",
    "TF_SERVING_VERSION_GIT_COMMIT": "HEAD",
    "TF_SERVING_BUILD_OPTIONS": "--config=release",
    "TF_SERVING_BAZEL_OPTIONS": "",
}


@pytest.mark.parametrize(("name", "default"), UPSTREAM.items(), ids=UPSTREAM)
def test_upstreams_arguments_have_upstreams_defaults(name: str, default: str) -> None:
    """The build arguments of tensorflow/serving's own Dockerfile.devel may be given as they are there."""
    assert argument(name) == default


@pytest.mark.parametrize("syntax", ["RUN --mount", "<<", "# syntax="])
def test_no_buildkit_is_needed(syntax: str) -> None:
    """The Docker SDK builds without BuildKit, so its syntax must stay out."""
    steps = [line for line in DOCKERFILE.splitlines() if not line.startswith("# Classic syntax")]
    assert [line for line in steps if syntax in line] == []
