"""What the images are made of, read from the source tree: versions, and digests of what the Dockerfiles copy."""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from build.errors import InputError
from build.machine import cpu_features
from build.plan import Inputs
from build.variants import Variant

ROOT = Path(__file__).parents[1]

DEVEL = "Dockerfile.devel"
RUNTIME = "Dockerfile"

_COPY = re.compile(r"^(?:COPY|ADD) +(.*)$", re.MULTILINE | re.IGNORECASE)


def read_inputs(variant: Variant, root: Path = ROOT) -> Inputs:
    """Everything below ``root`` that decides what a variant's images contain."""
    pins = tomllib.loads((root / "build" / "pins.toml").read_text())
    return Inputs(
        tensorflow=str(pins["tensorflow"]["version"]),
        server=_server_version(root),
        devel_files=digests(root, DEVEL) if variant.compiled else {},
        runtime_files=digests(root, RUNTIME),
        cpu=" ".join(sorted(cpu_features() or ())),
    )


def digests(root: Path, dockerfile: str) -> dict[str, str]:
    """SHA-256 by path of a Dockerfile and of all that it copies from its context."""
    path = root / dockerfile
    if not path.is_file():
        raise InputError(f"There is no {dockerfile} in {root}.", "run it from a whole checkout of the project")
    files = {dockerfile: path}
    for source in copied(path.read_text()):
        files |= {str(found.relative_to(root)): found for found in _files(root, source)}
    return {name: hashlib.sha256(files[name].read_bytes()).hexdigest() for name in sorted(files)}


def copied(dockerfile: str) -> Iterator[str]:
    """What a Dockerfile copies from its context; copies from other stages are left out."""
    for words in _COPY.findall(dockerfile.replace("\\\n", " ")):
        plain = [word for word in words.split() if not word.startswith("--")]
        if "--from=" not in words:
            yield from plain[:-1]


def _files(root: Path, source: str) -> Iterator[Path]:
    for path in sorted(root.glob(source.rstrip("/"))):
        within = sorted(path.rglob("*")) if path.is_dir() else [path]
        # As in .dockerignore: Python's caches never reach an image.
        yield from (file for file in within if file.is_file() and "__pycache__" not in file.parts)


def _server_version(root: Path) -> str:
    # Read and not imported: the builder never imports the server.
    found = re.search(r'^__version__ = "([^"]+)"$', (root / "serving" / "__init__.py").read_text(), re.MULTILINE)
    if not found:
        raise InputError("serving/__init__.py has no __version__.", "git checkout serving/__init__.py")
    return found[1]
