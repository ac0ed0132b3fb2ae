"""One mixed soak: clients and changes at work for some seconds, and a look at the server every now and then."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.held import Held, held, wait_until_given_back
from tests.soak.mixed.callers import GrpcCaller, RestCaller
from tests.soak.mixed.changes import change_versions, reload_again_and_again
from tests.soak.mixed.figures import Sample, table, wrong
from tests.soak.mixed.served import Served, serving
from tests.soak.mixed.tally import Tally, quantile
from tests.support.server_process import wait_until

CLIENTS = 5
"""Of each door."""
_JOIN_SECONDS = 90.0
_MORE_MEBI, _MORE_THREADS = 96, 40
"""Beyond what an idle server had before its first call: buffers, and the threads of pools that had not been needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """What came of it: calls, looks at the server, its exit status, lines of its access log, tracebacks in its log."""

    tally: Tally
    samples: list[Sample]
    before: Held
    after: Held
    status: int
    access_log_lines: int
    tracebacks: int

    @property
    def wrong(self) -> list[str]:
        """Why it has failed; nothing if it has not."""
        found = wrong(self.tally, self.samples)
        if self.status:
            found.append(f"the server ended with {self.status}")
        if self.tracebacks:
            found.append(f"{self.tracebacks} tracebacks in the log")
        return found

    def __str__(self) -> str:
        return (
            f"{table(self.tally, self.samples)}\n\nidle before: {self.before}\nidle after:  {self.after}\n"
            f"{self.access_log_lines} lines in the access log, {self.tracebacks} tracebacks, exit status {self.status}"
        )


def soak(models: Path, folder: Path, seconds: float, tell: Callable[[str], None] = lambda line: None) -> Soaked:
    """Do it; AssertionError if the server, left alone, does not give back what it held more."""
    tally, samples = Tally(), []
    with serving(models, folder) as served:
        wait_until("all models", lambda: served.server.rest("GET", "/healthz/ready")[0] == 200)
        before = held(served.server)
        over = threading.Event()
        threads = _threads(served, tally, over)
        for thread in threads:
            thread.start()
        began = last = time.monotonic()
        while time.monotonic() < began + seconds:
            over.wait(min(5.0, seconds / 10))
            now = time.monotonic()
            samples.append(_look(served, tally, now - began, now - last))
            last = now
            tell(_line(samples[-1], tally))
        over.set()
        for thread in threads:
            thread.join(_JOIN_SECONDS)
        after = wait_until_given_back(served.server, before, mebi=_MORE_MEBI, threads=_MORE_THREADS)
        served.server.terminate()
        status = served.server.wait()
        return Soaked(
            tally=tally,
            samples=samples,
            before=before,
            after=after,
            status=status,
            access_log_lines=_count_lines(served.access_log),
            tracebacks=sum("Traceback" in line for line in served.server.output),
        )


def _threads(served: Served, tally: Tally, over: threading.Event) -> list[threading.Thread]:
    runs: list[Callable[[], None]] = []
    for seed in range(CLIENTS):
        rest, grpc = RestCaller(served, tally, seed), GrpcCaller(served, tally, 1000 + seed)
        runs += [lambda caller=rest: caller.run(over), lambda caller=grpc: caller.run(over)]  # type: ignore[misc]
    runs.append(lambda: reload_again_and_again(served, tally, over))
    runs.append(lambda: change_versions(served, tally, over))
    return [threading.Thread(target=each, daemon=True) for each in runs]


def _look(served: Served, tally: Tally, seconds: float, since: float) -> Sample:
    recent, now = tally.recent(), held(served.server)
    return Sample(
        seconds=seconds,
        calls_per_second=len(recent) / since,
        p50_ms=quantile(recent, 0.5),
        p99_ms=quantile(recent, 0.99),
        mebi=now.mebi,
        threads=now.threads,
        descriptors=now.descriptors,
    )


def _line(sample: Sample, tally: Tally) -> str:
    return (
        f"{sample.seconds:5.0f} s  {sample.calls_per_second:6.0f} calls/s  p50 {sample.p50_ms:5.1f} ms  "
        f"p99 {sample.p99_ms:6.1f} ms  {sample.mebi} MiB  {sample.threads} threads  {sample.descriptors} descriptors  "
        f"{sum(tally.unexpected.values())} unexpected"
    )


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
