"""--grpc_channel_arguments and --grpc_max_threads: what they change, and what is refused."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import grpc
import pytest

from serving.core.plans import Plan
from serving.errors import ServingError
from serving.host.addresses import everywhere, shown
from serving.inference.call import Call
from serving.inference.long_call import LongCall
from serving.inference.placement import Workers
from serving.rpc.connections import channel_arguments
from serving.rpc.running import MOST_HELD, RunningCalls
from serving.telemetry.serving_metrics import ServingMetrics
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats
from tests.support import serving as loaded
from tests.support import settle, summary
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until

THREADS = 2
CALLS = 5
LONG_MILLISECONDS = 4000.0
MODERATE_MILLISECONDS = 50.0
"""Longer than a short call; all ``CALLS`` one after the other take less than a call may wait."""
WAIT = Target(model="default", signature="wait")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("grpc.max_concurrent_streams=7", {"grpc.max_concurrent_streams": 7}),
        ("a=-1,b=2147483647,c=2147483648", {"a": -1, "b": 2147483647, "c": "2147483648"}),
        ("a=x=y,b=", {"a": "x=y", "b": ""}),
        ("a=1,a=2", {"a": 2}),
        ("a=--1,b=1.5,c=²,d=+1", {"a": "--1", "b": "1.5", "c": "²", "d": 1}),
    ],
)
def test_channel_arguments(text: str, expected: dict[str, str | int]) -> None:
    """32-bit integers are such, everything else is text; the last one wins."""
    assert channel_arguments(text) == expected


def base_path(models: Path, name: str) -> str:
    return f"--model_base_path={models / name}"


def test_port_in_use_is_a_start_error(transport: str, models: Path) -> None:
    """A second server does not share the port unknowingly."""
    flags = [f"--grpc_transport={transport}", base_path(models, "half_plus_three")]
    with ServerProcess(flags) as first, ServerProcess([*flags, f"--port={first.grpc_port}"], wait=False) as second:
        assert second.wait() == 255
    assert f"cannot listen on {shown(everywhere()[0], first.grpc_port)}: " in second.output[-1]
    assert second.output[-1].endswith(" See --port and --grpc_bind_address.\n")


def test_channel_arguments_act(models: Path) -> None:
    """With the argument the port is shared; the native transport cannot do it, and gives way to grpcio."""
    flags = ["--grpc_channel_arguments=grpc.so_reuseport=1", base_path(models, "half_plus_three")]
    with ServerProcess([*flags, "--grpc_transport=native"]) as first:
        with ServerProcess([*flags, f"--port={first.grpc_port}"]) as second:
            assert second.grpc_port == first.grpc_port
        first.wait_for(r"native cannot do --grpc_channel_arguments \(grpc\.so_reuseport\); grpcio carries")


def test_limit_of_request_sizes_is_grpcios(models: Path) -> None:
    """It refuses a message before it is in memory; the native transport, the default, would hold all of it first."""
    with ServerProcess(["--max_request_bytes=1000", base_path(models, "half_plus_three")]) as server:
        server.wait_for("native cannot do --max_request_bytes; grpcio carries")
        client = GrpcClient(server)
        with pytest.raises(RefusedError, match=r"larger than max .* vs\. 1000"):
            client.predict(Target(model="default"), {"x": floats(*range(1000))})
        client.close()


def test_native_transport_is_the_default(models: Path) -> None:
    """Nothing else is needed for it."""
    with ServerProcess([base_path(models, "half_plus_three")]) as server:
        assert any(name.startswith("grpc-native") for name in server.threads())


UNKNOWN = [
    "/tensorflow.serving.SessionService/SessionRun",
    "/tensorflow.ProfilerService/Monitor",
    "/tensorflow.serving.PredictionService/Nope",
    "/nope",
]


LONG = LongCall(lambda gone: b"")


def test_what_is_not_served(transport: str, models: Path) -> None:
    """Services that TensorFlow Serving defines but does not serve, or that we lack: UNIMPLEMENTED, without a text."""
    flags = [f"--grpc_transport={transport}", base_path(models, "half_plus_three")]
    with ServerProcess(flags) as server, server.channel() as channel:
        for method in UNKNOWN:
            with pytest.raises(grpc.RpcError) as error:
                channel.unary_unary(method)(b"x" * 100_000, timeout=START_SECONDS)
            assert (method, error.value.code().name, error.value.details()) == (method, "UNIMPLEMENTED", "")


def test_refused_call_holds_nothing() -> None:
    """It lets go of its version, so that this can be unloaded, and is counted as what its client gets."""
    manager, metrics = loaded(1), ServingMetrics()
    running = RunningCalls(0, hold_seconds=0)
    call = Call(
        plan=cast("Plan", None),
        tensors=[],
        encode=lambda outputs: b"",
        handle=manager.acquire("m"),
        timeout_ms=0,
        series=metrics.series("GRPC", "Predict", "m"),
        began=metrics.clock(),
        workers=Workers(1),
    )
    with pytest.raises(ServingError, match="Server Threadpool Exhausted"):
        running.begin(call)
    manager.set_aspired("m", {})
    settle(manager)
    assert summary(manager.states("m")) == [(1, "END")]
    assert b'status="RESOURCE_EXHAUSTED"} 1' in metrics.page()


def test_a_call_that_ended_makes_room() -> None:
    """What is counted in is counted out."""
    running = RunningCalls(1, hold_seconds=0)
    for _ in range(3):
        running.begin(LONG)
        with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED"):
            running.begin(LONG)
        running.end(LONG)


def test_a_call_waits_for_room() -> None:
    """It begins when another one ends, if that is soon enough."""
    running = RunningCalls(1, hold_seconds=30)
    running.begin(LONG)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(running.begin, LONG)
        running.end(LONG)
        assert waiting.result(30) is None


def test_no_more_calls_wait_than_there_are_threads_for() -> None:
    """Beyond them calls are refused at once, and those that wait go on waiting."""
    running = RunningCalls(1, hold_seconds=30)
    running.begin(LONG)
    with ThreadPoolExecutor(MOST_HELD + 3) as threads:
        calls = [threads.submit(running.begin, LONG) for _ in range(MOST_HELD + 3)]
        wait_until("three are refused", lambda: sum(call.done() for call in calls) == 3, 20)
        for call in calls:  # each that begins ends at once, and so lets the next one begin
            call.add_done_callback(lambda done: running.end(LONG) if done.exception() is None else None)
        running.end(LONG)
    assert sum(call.exception() is not None for call in calls) == 3


def test_a_burst_of_long_calls_is_answered(transport: str, models: Path) -> None:
    """More calls than may run at a time get their answers, if they need not wait for too long."""
    flags = [f"--grpc_transport={transport}", base_path(models, "slow"), f"--grpc_max_threads={THREADS}"]
    with ServerProcess(flags) as server:
        client = GrpcClient(server)

        def call(number: int) -> list[float]:
            found: list[float] = client.predict(WAIT, {"ms": floats(MODERATE_MILLISECONDS)})["y"].tolist()
            return found

        with ThreadPoolExecutor(CALLS) as callers:
            assert list(callers.map(call, range(CALLS))) == [[MODERATE_MILLISECONDS]] * CALLS
        client.close()


ROWS = 8
BATCHES = f"""
max_batch_size {{ value: {ROWS} }}
batch_timeout_micros {{ value: 30000000 }}
"""


def test_batches_are_larger_than_the_threads(models: Path, tmp_path: Path) -> None:
    """Calls that wait in a batch take no thread of the native transport: it becomes full, long before its time."""
    (tmp_path / "batching.config").write_text(BATCHES)
    flags = [
        base_path(models, "slow"),
        f"--grpc_max_threads={THREADS}",
        "--enable_batching",
        f"--batching_parameters_file={tmp_path}/batching.config",
    ]
    with ServerProcess(flags) as server:
        client = GrpcClient(server)

        def call(milliseconds: float) -> list[float]:
            found: list[float] = client.predict(WAIT, {"ms": floats(milliseconds)}, timeout=20)["y"].tolist()
            return found

        sent = [MODERATE_MILLISECONDS + number for number in range(ROWS)]
        with ThreadPoolExecutor(ROWS) as callers:
            assert list(callers.map(call, sent)) == [[each] for each in sent]
        client.close()


def test_long_calls_beyond_the_threads_are_refused(transport: str, models: Path) -> None:
    """As many run as there are threads, the others get TensorFlow Serving's text; then all is as before."""
    flags = [f"--grpc_transport={transport}", base_path(models, "slow"), f"--grpc_max_threads={THREADS}"]
    with ServerProcess(flags) as server:
        client = GrpcClient(server)

        def call(number: int) -> str:
            try:
                client.predict(WAIT, {"ms": floats(LONG_MILLISECONDS)})
            except RefusedError as error:
                return f"{error.code}: {error.text}"
            return "OK"

        with ThreadPoolExecutor(CALLS) as callers:
            answers = callers.map(call, range(CALLS))
            assert client.status(WAIT) == [(1, "AVAILABLE")]
        refused = "RESOURCE_EXHAUSTED: Server Threadpool Exhausted"
        assert sorted(answers) == ["OK"] * THREADS + [refused] * (CALLS - THREADS)
        assert client.predict(WAIT, {"ms": floats(1)})["y"].tolist() == [1.0]
        client.close()
    assert server.process.returncode == 0
