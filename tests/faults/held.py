"""What a server process holds, as the system counts it: descriptors, threads and memory."""

from dataclasses import dataclass
from pathlib import Path

from tests.support.server_process import START_SECONDS, ServerProcess, wait_until

MORE_DESCRIPTORS = 3
"""What a library may have opened meanwhile, and keeps."""
MORE_THREADS = 12
"""Pools start their threads when they are first needed: two of four threads, and what TensorFlow and gRPC add."""
MORE_MEBI = 48
"""What allocators keep of pages that were used once; the models here have less than one MiB each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Open descriptors, threads, and resident memory in MiB."""

    descriptors: int
    threads: int
    mebi: int

    def is_like(self, before: "Held", *, mebi: int = MORE_MEBI, threads: int = MORE_THREADS) -> bool:
        """Whether this is no more than ``before`` and what a process may keep."""
        return (
            self.descriptors <= before.descriptors + MORE_DESCRIPTORS
            and self.threads <= before.threads + threads
            and self.mebi <= before.mebi + mebi
        )


def held(server: ServerProcess) -> Held:
    """What the server holds now. FileNotFoundError if it has ended."""
    process = Path(f"/proc/{server.process.pid}")
    resident = (process / "status").read_text().partition("VmRSS:")[2].split()
    return Held(
        descriptors=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        mebi=int(resident[0]) // 1024,
    )


def wait_until_given_back(
    server: ServerProcess, before: Held, *, mebi: int = MORE_MEBI, threads: int = MORE_THREADS
) -> Held:
    """Return what is held once that is like ``before``; AssertionError with both if it does not come to that."""
    try:
        wait_until("it is given back", lambda: held(server).is_like(before, mebi=mebi, threads=threads), START_SECONDS)
    except AssertionError:
        raise AssertionError(f"before {before}, and after {START_SECONDS} s {held(server)}") from None
    return held(server)
