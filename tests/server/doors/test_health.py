"""The gRPC health service: names, watching, and what is said while the server drains. The client is grpc.io's own."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from serving.errors import ServingError
from serving.rpc.api.health import Health
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats
from tests.support.request_layer import GRPC, admit_all
from tests.support.server_process import START_SECONDS, ServerProcess

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
STATUS = HealthCheckResponse.ServingStatus


def flags_of(transport: str, models: Path) -> list[str]:
    return [f"--grpc_transport={transport}", "--model_name=half", f"--model_base_path={models / 'half_plus_three'}"]


@pytest.fixture(scope="module")
def server(transport: str, models: Path) -> Iterator[ServerProcess]:
    """A server with the service, and with one thread for calls."""
    flags = [*flags_of(transport, models), "--enable_grpc_healthcheck_service", "--grpc_max_threads=1"]
    with ServerProcess(flags) as running:
        yield running
    assert running.process.returncode == 0
    assert "Traceback" not in "".join(running.output)


def check(server: ServerProcess, service: str) -> str:
    """The name of the status. Raises grpc.RpcError."""
    with server.channel() as channel:
        call = channel.unary_unary(CHECK)
        data = call(HealthCheckRequest(service=service).SerializeToString(), timeout=START_SECONDS)
    return status_of(HealthCheckResponse.FromString(data))


def watch(channel: grpc.Channel, service: str) -> Any:
    """The stream of statuses, as names."""
    call = channel.unary_stream(WATCH, HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString)
    return call(HealthCheckRequest(service=service), timeout=START_SECONDS)


def status_of(response: HealthCheckResponse) -> str:
    return str(STATUS.Name(response.status))


@pytest.mark.parametrize("service", ["", "ModelService", "PredictionService"])
def test_known_names_are_serving(server: ServerProcess, service: str) -> None:
    """The server as a whole, and the two names that TensorFlow Serving sets."""
    assert check(server, service) == "SERVING"


@pytest.mark.parametrize("service", ["tensorflow.serving.PredictionService", "modelservice", "nope"])
def test_other_names_are_not_found(server: ServerProcess, service: str) -> None:
    """The full names of the services are among them, as in TensorFlow Serving."""
    with pytest.raises(grpc.RpcError) as error:
        check(server, service)
    assert (error.value.code().name, error.value.details()) == ("NOT_FOUND", "service name unknown")


@pytest.mark.parametrize(("service", "expected"), [("", "SERVING"), ("nope", "SERVICE_UNKNOWN")])
def test_watcher_is_told_at_once(server: ServerProcess, service: str, expected: str) -> None:
    """The first message comes without a change; an unknown name is a status here."""
    with server.channel() as channel:
        assert status_of(next(watch(channel, service))) == expected


def test_watchers_take_no_threads(server: ServerProcess) -> None:
    """More open streams than threads leave the calls what they were."""
    client = GrpcClient(server)
    streams = [watch(client.channel, "") for _ in range(5)]
    assert [status_of(next(stream)) for stream in streams] == ["SERVING"] * 5
    assert client.predict(Target(model="half"), {"x": floats(1)})["y"].tolist() == [3.5]
    client.close()


def test_nothing_without_the_flag(transport: str, models: Path) -> None:
    """The service is UNIMPLEMENTED, without a text, as any unknown method."""
    with ServerProcess(flags_of(transport, models)) as server, pytest.raises(grpc.RpcError) as error:
        check(server, "")
    assert (error.value.code().name, error.value.details()) == ("UNIMPLEMENTED", "")


def test_watchers_hear_of_draining(transport: str, models: Path) -> None:
    """They get NOT_SERVING and the end of their stream, and do not hold the server up."""
    flags = [*flags_of(transport, models), "--enable_grpc_healthcheck_service", "--drain_grace_seconds=1000"]
    with ServerProcess(flags) as server, server.channel() as channel:
        known, unknown = watch(channel, "ModelService"), watch(channel, "nope")
        assert [status_of(next(known)), status_of(next(unknown))] == ["SERVING", "SERVICE_UNKNOWN"]
        server.terminate()
        assert status_of(next(known)) == "NOT_SERVING"
        for stream in (known, unknown):
            with pytest.raises(grpc.RpcError) as ended:
                next(stream)
            assert ended.value.code().name == "UNAVAILABLE"
        assert server.wait() == 0


class Stream:
    """grpcio's side of one Watch: keeps what is sent, and can be ended by its client."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.code: Any = None
        self.ended = threading.Event()
        self._callbacks: list[Callable[[], None]] = []

    def send(self, data: bytes | None) -> None:
        if data is None:
            self.ended.set()
        else:
            self.sent.append(status_of(HealthCheckResponse.FromString(data)))

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def time_remaining(self) -> None:
        """There is no deadline."""

    def add_callback(self, callback: Callable[[], None]) -> bool:
        self._callbacks.append(callback)
        return not self.ended.is_set()

    def set_code(self, code: Any) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        assert details

    def cancel(self) -> None:
        self.ended.set()
        for callback in self._callbacks:
            callback()


def request(service: str) -> bytes:
    return bytes(HealthCheckRequest(service=service).SerializeToString())


def test_check_while_draining() -> None:
    """Known names are NOT_SERVING; unknown ones stay unknown."""
    health = Health(admit_all)
    health.drain()
    assert status_of(HealthCheckResponse.FromString(health.check(request(""), GRPC))) == "NOT_SERVING"
    with pytest.raises(ServingError, match="service name unknown"):
        health.check(request("nope"), GRPC)


def test_watch_that_comes_while_draining() -> None:
    """It is told, and ended at once: nothing would end it later."""
    health, stream = Health(admit_all), Stream()
    health.drain()
    health.watch(request(""), stream, stream.send)
    assert (stream.sent, stream.ended.is_set()) == (["NOT_SERVING"], True)


def test_watcher_that_went_away_is_forgotten() -> None:
    """Draining tells only those who still listen, and only once."""
    health, gone, there = Health(admit_all), Stream(), Stream()
    for stream in (gone, there):
        health.watch(request(""), stream, stream.send)
    gone.cancel()
    health.drain()
    there.cancel()
    health.drain()
    assert (gone.sent, there.sent) == (["SERVING"], ["SERVING", "NOT_SERVING"])


def test_bytes_that_are_no_request(server: ServerProcess) -> None:
    """INTERNAL, as for every other call; the server goes on."""
    client = GrpcClient(server)
    with pytest.raises(grpc.RpcError) as error:
        next(client.channel.unary_stream(WATCH)(b"\xff", timeout=START_SECONDS))
    assert error.value.code().name == "INTERNAL"
    with pytest.raises(RefusedError, match="INTERNAL"):
        client.call("PredictionService/Predict", b"\xff")
    client.close()
