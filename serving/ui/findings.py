"""What --doctor would say of the running server, from a process of its own: the checks read files and take a while."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from serving.settings import Settings
from serving.ui.values import FindingView

_KEPT_SECONDS = 600.0
_TIMEOUT_SECONDS = 120.0
_ROOT = str(Path(__file__).resolve().parents[2])
_PROGRAM = f"import sys; sys.path.insert(0, {_ROOT!r}); from serving.doctor.while_serving import main; main()"
_COMMAND = (sys.executable, "-P", "-c", _PROGRAM)


class Findings:
    """Looked for when somebody asks, and kept for a while. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        cpus: int,
        command: Sequence[str] = _COMMAND,
        clock: Callable[[], float] = time.time,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._request = json.dumps({"settings": vars(settings), "cpus": cpus})
        self._command = command
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._looking = False
        self._found: tuple[FindingView, ...] | None = None
        self._examined = 0.0

    def now(self) -> tuple[tuple[FindingView, ...] | None, float]:
        """What was found and when, None and 0 so far; what is missing or old is looked for from now on."""
        with self._lock:
            if not self._looking and (self._found is None or self._clock() - self._examined > _KEPT_SECONDS):
                self._looking = True
                threading.Thread(target=self._look, name="findings", daemon=True).start()
            return self._found, self._examined

    def _look(self) -> None:
        found = self._rows()
        with self._lock:
            self._found, self._examined, self._looking = found, self._clock(), False

    def _rows(self) -> tuple[FindingView, ...]:
        try:
            done = subprocess.run(  # noqa: S603 - the command is ours
                self._command, input=self._request, capture_output=True, text=True, timeout=self._timeout_seconds
            )
            rows = json.loads(done.stdout)
            return tuple(FindingView(**row) for row in rows)
        except subprocess.TimeoutExpired:
            return (_failed(f"it did not end in {self._timeout_seconds:g} seconds"),)
        except (OSError, ValueError, TypeError) as error:
            return (_failed(f"it ended without an answer ({type(error).__name__})"),)


def _failed(why: str) -> FindingView:
    advice = "Start the same command with --doctor, which shows more."
    return FindingView(level="warning", what="examination", found=why, advice=advice)
