"""Runs wrk on REST and h2load on gRPC and where each call counts, and reads what they print: BenchError if one failed.

Both are Debian's; there is no load generator of our own here.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.payloads import Form
from tests.bench.results import BenchError, Measurement, NothingAnsweredError, percentile

TOOLS = {"wrk": "wrk", "h2load": "nghttp2-client", "taskset": "util-linux"}
"""The programs that are needed, and the packages that have them."""

_SCRIPT = Path(__file__).with_name("load.lua")
_WARM_UP = "300ms"
_SLACK_SECONDS = 60.0
_MESSAGE_PREFIX_BYTES = 5
_LEAST_ANSWERED = 0.99
"""Which part of all calls must have had an answer; so much is lost when the load ends."""

_FIGURES = re.compile(r"^FIGURES (.*)$", re.MULTILINE)
_RATE = re.compile(r"^finished in .*?, ([\d.]+) req/s", re.MULTILINE)
_REQUESTS = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored")
_DATA = re.compile(r"\((\d+)\) data$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load: ``body`` is a file that each request carries, ``answer_bytes`` the length of the right answer's body,
    over gRPC without the length prefix; ``prefix`` puts the generator on its core.

    ``exact`` counts every call from the first on; wrk does not, and corrects long ones for what they held up. With
    ``calls`` it is so many of them, on a connection for each client, and ``seconds`` is how long they take at most.
    """

    url: str
    body: Path
    form: Form
    answer_bytes: int
    concurrency: int
    seconds: int
    prefix: tuple[str, ...] = ()
    exact: bool = False
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One line of h2load's log: when a request was sent, in seconds since 1970, and how long it took."""

    began: float
    ms: float


def check_tools() -> None:
    """BenchError with the command that installs what is missing."""
    missing = {package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if missing:
        raise BenchError(f"programs are missing; on Debian and Ubuntu: apt-get install {' '.join(sorted(missing))}")


def run(load: Load) -> Measurement:
    """Put the load on and wait for its end."""
    return _run_h2load(load) if load.form is Form.GRPC or load.exact else _run_wrk(load)


def _run_wrk(load: Load) -> Measurement:
    sizes = ["-t1", f"-c{load.concurrency}", f"-d{load.seconds}s", "--timeout", "30s"]
    arguments = ["-s", str(_SCRIPT), load.url, "--", str(load.body), load.form.value]
    return read_wrk(_output([*load.prefix, "wrk", *sizes, *arguments], load.seconds))


def _run_h2load(load: Load) -> Measurement:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        log = Path(directory) / "calls"
        over_grpc = load.form is Form.GRPC
        sizes = [*_door(load), f"-n{load.calls}" if load.calls else f"-D{load.seconds}s"]
        sizes += [] if load.exact else [f"--warm-up-time={_WARM_UP}"]
        arguments = ["-H", f"content-type: {load.form.value}", "-d", str(load.body), f"--log-file={log}", load.url]
        printed = _output([*load.prefix, "h2load", *sizes, *arguments], load.seconds)
        calls = read_calls(log.read_text())
        found = read_h2load(printed, calls, load.answer_bytes if over_grpc else 0)
        return replace(found, throughput=rate(calls)) if load.calls else found


def _door(load: Load) -> list[str]:
    if load.form is not Form.GRPC:
        return ["--h1", f"-c{load.concurrency}"]
    # One connection carries all calls, as one client's channel does; or each client has its own.
    streams = [f"-c{load.concurrency}", "-m1"] if load.calls else ["-c1", f"-m{load.concurrency}"]
    return [*streams, "-H", "te: trailers"]


def rate(calls: Sequence[Call]) -> float:
    """Calls per second from the first one's begin to the last one's end: h2load prints two digits of it."""
    began = min(call.began for call in calls)
    return len(calls) / (max(call.began + call.ms / 1e3 for call in calls) - began)


def _output(command: Sequence[str], seconds: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _SLACK_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{command[0]} did not end in time") from None
    if done.returncode:
        raise BenchError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-500:].strip()}")
    return done.stdout


def read_wrk(printed: str) -> Measurement:
    """The figures that load.lua prints at the end of a run of wrk."""
    found = _FIGURES.search(printed)
    if found is None:
        raise BenchError(f"wrk printed no figures: {printed[-500:].strip()}")
    figures = {name: float(value) for name, _, value in (word.partition("=") for word in found[1].split())}
    if figures["failed"]:
        raise BenchError(f"{figures['failed']:.0f} requests failed, {figures['requests']:.0f} were answered")
    if not figures["requests"]:
        raise NothingAnsweredError("no request was answered")
    return Measurement(
        throughput=figures["requests"] / figures["micros"] * 1e6,
        mean_ms=figures["mean"] / 1e3,
        p50_ms=figures["p50"] / 1e3,
        p99_ms=figures["p99"] / 1e3,
        max_ms=figures["max"] / 1e3,
    )


def read_h2load(printed: str, calls: Sequence[Call], answer_bytes: int) -> Measurement:
    """The rate that h2load prints, and the latencies of its log. ``answer_bytes`` is 0 for REST.

    h2load looks at the HTTP status only, which is 200 for every gRPC error; but errors carry no message.
    """
    rate, requests, data = _RATE.search(printed), _REQUESTS.search(printed), _DATA.search(printed)
    if rate is None or requests is None or data is None:
        raise BenchError(f"h2load printed no figures: {printed[-500:].strip()}")
    succeeded, failed, errored = map(int, requests.groups())
    if failed or errored:
        raise BenchError(f"{failed + errored} requests failed, {succeeded} were answered")
    if not succeeded:
        raise NothingAnsweredError("no request was answered")
    if answer_bytes and int(data[1]) < _LEAST_ANSWERED * succeeded * (_MESSAGE_PREFIX_BYTES + answer_bytes):
        raise BenchError(f"answers were gRPC errors: {data[1]} bytes for {succeeded} answers of {answer_bytes} bytes")
    times = [call.ms for call in calls]
    return Measurement(
        throughput=float(rate[1]),
        mean_ms=sum(times) / max(1, len(times)),
        p50_ms=percentile(times, 0.5),
        p99_ms=percentile(times, 0.99),
        max_ms=max(times),
    )


def read_calls(log: str) -> list[Call]:
    """The requests of h2load's log that were answered with 200. BenchError if one was answered otherwise."""
    calls = []
    for line in log.splitlines():
        began, status, micros = line.split("\t")[:3]
        if status != "200":
            raise BenchError(f"a request was answered with {status}")
        calls.append(Call(began=int(began) / 1e6, ms=int(micros) / 1e3))
    return calls
