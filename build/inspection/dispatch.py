"""What TensorFlow and oneDNN do with the CPU at hand, by their own words while they multiply two matrices."""

import re
import subprocess
import sys
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("multiply.py")
VERBOSE = {"ONEDNN_VERBOSE": "1", "TF_CPP_MIN_LOG_LEVEL": "0"}
SECONDS = 120
TELLING = frozenset({"avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve"})

_PREFIX = "onednn_verbose,"
_UNUSED = re.compile(r"To enable the following instructions: (.*?), in other operations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """``isa`` is oneDNN's word for the instruction set it generates code for; empty when it said nothing.

    ``executed`` are the primitives that ran with their implementation. ``unused`` is what this CPU has and TensorFlow
    was not compiled for. ``failure`` is the end of the output when no product came; ``skipped`` says why nothing
    was tried.
    """

    version: str = ""
    isa: str = ""
    executed: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    failure: str = ""
    skipped: str = ""


def obstacle(*, machine: str, features: Set[str], here: str, here_features: Set[str] | None) -> str:
    """Why a library for a machine, compiled for CPU features, cannot run here; empty when it can, or nobody knows."""
    if machine != here:
        return f"not tried: it is for {machine}, and this machine is {here}"
    # The flags whose names the kernel and build.json share, and whose lack would end the child by a signal.
    missing = sorted((features & TELLING) - (features if here_features is None else here_features))
    return f"not tried: this machine's CPU lacks {' '.join(missing)}" if missing else ""


def of_library(directory: Path) -> Dispatch:
    """That of the libraries in a directory, in a child process with this Python."""
    settings = [f"{name}={value}" for name, value in VERBOSE.items()]
    # -I: what is installed beside this Python does not matter.
    command = ["env", *settings, sys.executable, "-I", str(SCRIPT), str(directory)]
    done = subprocess.run(  # noqa: S603 - our own script, with a directory as its one argument
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False
    )
    return parse(done.stdout.splitlines(), done.returncode)


def parse(lines: Iterable[str], status: int) -> Dispatch:
    """From what the child printed."""
    version, isa, executed, unused, others = "", "", list[str](), "", list[str]()
    for line in lines:
        fields = line.split(",")
        if not line.startswith(_PREFIX):
            others.append(line)
            found = _UNUSED.search(line)
            unused = found[1] if found else unused
        elif "info,oneDNN v" in line:
            version = line.partition("info,oneDNN ")[2].split(" ")[0]
        elif "info,cpu,isa:" in line:
            isa = line.partition("isa:")[2]
        elif "primitive" in fields and "exec" in fields:
            at = fields.index("exec")
            executed.append(": ".join(filter(None, fields[at + 2 : at + 4])))
    return Dispatch(
        version=version,
        isa=isa,
        executed=tuple(executed),
        unused=tuple(unused.split()),
        failure="\n".join(others[-5:]) or f"status {status}, and no word" if status else "",
    )
