"""What the figures were measured on: the processor, the system and the versions of everything that took part."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.bench.servers import ROOT, Cores

PACKAGES = (
    *("tensorflow-cpu", "openvino", "numpy", "aiohttp", "uvloop", "grpcio", "pygrpc-native", "httptools", "orjson"),
    *("flask", "fastapi", "uvicorn"),
)

_VECTORS = re.compile(r"avx2$|avx512(f|_vnni|_bf16|_fp16)$|avx_vnni$|amx_|fma$|asimd$|asimddp$|sve|bf16$|i8mm$")


def description(cores: Cores) -> list[tuple[str, str]]:
    """Names and values, as the report lists them."""
    return [
        ("Processor", f"{_processor()}, {len(os.sched_getaffinity(0))} cores"),
        ("Vector instructions", ", ".join(vector_flags(Path("/proc/cpuinfo").read_text())) or "none of those named"),
        ("Memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f} GB"),
        ("System", f"{_system()}, Linux {platform.release()}, Python {platform.python_version()}"),
        ("Packages", ", ".join(_packages())),
        ("Load", ", ".join(_generators())),
        ("Cores", _cores(cores)),
        ("Commit", _commit()),
        ("Load average before the run", f"{os.getloadavg()[0]:.2f}"),
    ]


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def vector_flags(cpuinfo: str) -> list[str]:
    """What matrix products may use, of x86 and ARM, as a text like /proc/cpuinfo names it."""
    found = re.search(r"^(?:flags|Features)\s*: (.*)$", cpuinfo, re.MULTILINE)
    return sorted(flag for flag in (found[1].split() if found else ()) if _VECTORS.match(flag))


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _packages() -> Iterator[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def _generators() -> Iterator[str]:
    # wrk prints its version, and then its usage with status 1.
    for tool, flag in (("wrk", "-v"), ("h2load", "--version")):
        if shutil.which(tool) is None:
            continue  # a run that does not need it
        done = subprocess.run([tool, flag], capture_output=True, text=True, check=False)
        found = re.search(r"(?:wrk \S*|nghttp2/\S+)", done.stdout)
        yield found[0] if found and tool == "wrk" else f"{tool} ({found[0] if found else 'unknown'})"


def _cores(cores: Cores) -> str:
    if cores.server is None:
        return "only one: servers and load share it, and nothing is pinned; ratios are closer to 1 than they should be"
    return f"one-core scenarios: server on {cores.server}, load on {cores.load}; the others: no pinning"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--", "serving") else ""
    return f"{git('rev-parse', '--short', 'HEAD') or 'unknown'}{changed}"
