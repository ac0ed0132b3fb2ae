"""What wrk, h2load and h2load's log print, read; and what makes a run worthless."""

import re
import shutil

import pytest

from tests.bench import load
from tests.bench.asking import ModelClock, read_model_clock
from tests.bench.load import Call, rate, read_calls, read_h2load, read_wrk
from tests.bench.results import BenchError

WRK = """Running 1s test @ http://127.0.0.1:8501/v1/models/half_plus_two:predict
  1 threads and 16 connections
Transfer/sec:    667.41KB
FIGURES requests=5000 micros=1250000 failed=0 mean=3100 p50=1986 p99=39311 max=69896
"""

H2LOAD = """Main benchmark duration is over for thread #0. Stopping all clients.
Stopped all clients for thread #0

finished in 1.30s, 3268.00 req/s, 408.81KB/s
requests: 3268 total, 3268 started, 3268 done, 3268 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 3268 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 408.81KB (418621) total, 12.59KB (12888) headers (space savings 96.27%), 300.30KB (307512) data
"""

ANSWER_BYTES = 89
CALLS = [Call(began=0.0, ms=float(ms)) for ms in (4, 1, 2, 3)]


def test_wrk() -> None:
    """Rate and latencies come from the script's line, in milliseconds."""
    found = read_wrk(WRK)
    figures = (found.throughput, found.mean_ms, found.p50_ms, found.p99_ms, found.max_ms)
    assert figures == (4000.0, 3.1, 1.986, 39.311, 69.896)


@pytest.mark.parametrize(
    "printed",
    [
        pytest.param("unable to connect", id="no figures"),
        pytest.param(WRK.replace("failed=0", "failed=1"), id="a failed request"),
        pytest.param(WRK.replace("requests=5000", "requests=0"), id="no request"),
    ],
)
def test_worthless_runs_of_wrk(printed: str) -> None:
    """A run in which a request failed, or none was answered, has no figures."""
    with pytest.raises(BenchError):
        read_wrk(printed)


def test_h2load() -> None:
    """The rate comes from the printed text, the latencies from the log."""
    found = read_h2load(H2LOAD, CALLS, ANSWER_BYTES)
    figures = (found.throughput, found.mean_ms, found.p50_ms, found.p99_ms, found.max_ms)
    assert figures == (3268.0, 2.5, 2.0, 4.0, 4.0)


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        pytest.param("could not resolve", "no figures", id="no figures"),
        pytest.param(H2LOAD.replace("0 failed", "2 failed"), "2 requests failed", id="failed"),
        pytest.param(H2LOAD.replace("0 errored", "1 errored"), "1 requests failed", id="errored"),
        pytest.param(H2LOAD.replace("3268 succeeded", "0 succeeded"), "no request was answered", id="none"),
        pytest.param(H2LOAD.replace("(307512) data", "(0) data"), "gRPC errors", id="answers without a message"),
        pytest.param(H2LOAD.replace("(307512) data", "(16340) data"), "gRPC errors", id="empty messages"),
        pytest.param(H2LOAD.replace("(307512) data", "(276761) data"), "gRPC errors", id="a tenth refused"),
    ],
)
def test_worthless_runs_of_h2load(printed: str, reason: str) -> None:
    """gRPC errors have the HTTP status 200; that they carry no message gives them away."""
    with pytest.raises(BenchError, match=reason):
        read_h2load(printed, CALLS, ANSWER_BYTES)


def test_calls() -> None:
    """A line of the log is a time in microseconds, a status, a duration in microseconds."""
    assert read_calls("1795190870313279\t200\t1574\n") == [Call(began=1795190870.313279, ms=1.574)]


def test_calls_that_failed() -> None:
    """A status other than 200 spoils the log."""
    with pytest.raises(BenchError, match="503"):
        read_calls("1\t200\t10\n2\t503\t10\n")


def test_missing_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has the command that installs what is missing, and only that."""
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "h2load" else f"/usr/bin/{tool}")
    with pytest.raises(BenchError, match=re.escape("apt-get install nghttp2-client") + "$"):
        load.check_tools()


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(
            ':tensorflow:serving:runtime_latency_sum{model_name="a",API="Predict",runtime="TF1"} 1.5e+06\n'
            ':tensorflow:serving:runtime_latency_count{model_name="a",API="Predict",runtime="TF1"} 30\n'
            ':tensorflow:serving:runtime_latency_sum{model_name="b",API="Predict",runtime="TF1"} 500000\n'
            ':tensorflow:serving:runtime_latency_count{model_name="b",API="Predict",runtime="TF1"} 10\n'
            ':tensorflow:serving:request_latency_count{model_name="b"} 7\n',
            ModelClock(seconds=2.0, calls=40),
            id="two models",
        ),
        pytest.param("Not Found", ModelClock(seconds=0.0, calls=0), id="no page"),
    ],
)
def test_model_clock(page: str, expected: ModelClock) -> None:
    """The time in models is summed over them; microseconds on the page."""
    assert read_model_clock(page) == expected


def test_the_rate_of_counted_calls() -> None:
    """It is from when the first was sent to when the last was answered, whichever that is."""
    assert rate([Call(began=10.0, ms=3000.0), Call(began=11.0, ms=500.0), Call(began=10.5, ms=100.0)]) == 1.0
