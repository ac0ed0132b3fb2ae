"""Environments of their own for clients that others wrote: what they pin conflicts with what the server needs.

Made once per set of requirements and kept below the user's cache, as pip keeps its wheels. Skipped without an index
that has them.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALL_SECONDS = 240
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tensorflow-serving-tests"


def environment(*requirements: str) -> Path:
    """The Python of an environment with these requirements, such as ``tritonclient[http]==2.73.0``."""
    wanted = "\n".join((f"{sys.version_info.major}.{sys.version_info.minor}", *requirements))
    folder = _CACHE / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    python = folder / "bin" / "python"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _make(folder, python, requirements)
    return python


def _settings() -> dict[str, str]:
    """The environment, and in it for uv what is set for pip, as in the Makefile."""
    found = {"UV_HTTP_TIMEOUT": "180", "UV_DEFAULT_INDEX": _of_pip("index-url"), "SSL_CERT_FILE": _of_pip("cert")}
    return {name: value for name, value in found.items() if value} | dict(os.environ)


def _of_pip(name: str) -> str:
    """A setting of pip's, from the environment or its configuration; empty without."""
    asked = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
    result = subprocess.run(asked, capture_output=True, text=True, check=False)
    return os.environ.get(f"PIP_{name.upper().replace('-', '_')}") or result.stdout.strip()


def _make(folder: Path, python: Path, requirements: tuple[str, ...]) -> None:
    uv, settings = [sys.executable, "-m", "uv"], _settings()
    for command in (
        [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), *requirements],
    ):
        try:
            result = subprocess.run(
                command, env=settings, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"no environment with {', '.join(requirements)} within {INSTALL_SECONDS} s")
        if result.returncode:
            pytest.skip(f"no environment with {', '.join(requirements)}: {result.stderr[-300:]}")
    (folder / "complete").touch()


def run(python: Path, script: str, *arguments: str, seconds: float = 120) -> str:
    """What a script prints that is run by ``python``, away from this repository's packages. Fails as it does."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(
        [str(python), "-I", "-c", script, *arguments],
        env=clean,
        cwd=python.parent,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
    return result.stdout
