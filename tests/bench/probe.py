"""Small REST calls at a steady pace while something else happens: h2load over HTTP/1.1, and its log of every call.

wrk cannot stand here: it keeps no times of day, so that its worst call belongs to no phase.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.load import Call, read_calls
from tests.bench.results import BenchError

_CALLS_PER_SECOND = 200
_LONGEST = "3600s"
_FIRST = ("nice", "-n", "-10") if os.geteuid() == 0 else ()
"""Its own waits for a core would count as the server's; a client is on another machine, where nobody loads a model."""


class Probe:
    """A context manager: calls go on until the end of the block, and then ``calls`` has them."""

    def __init__(self, url: str, body: Path, work: Path) -> None:
        self.calls: Sequence[Call] = ()
        self._log = work / "probe"
        self._log.unlink(missing_ok=True)
        pace = ["-c1", f"-D{_LONGEST}", f"--rps={_CALLS_PER_SECOND}"]
        command = [*_FIRST, "h2load", "--h1", *pace, "-d", str(body), f"--log-file={self._log}", url]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = self._process.poll()
        self._process.terminate()
        self._process.wait()
        if kind is None and ended is not None:
            raise BenchError(f"h2load ended early, with {ended}")
        if kind is None:
            whole, _, _ = self._log.read_text().rpartition("\n")
            self.calls = read_calls(whole)
