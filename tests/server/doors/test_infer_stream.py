"""Streams of the Open Inference Protocol: the end of the server, keys, records, and how many there may be."""

import json
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.access.making import make_key
from serving.inference.context import RequestContext
from serving.protos import message
from serving.rpc.api.infer_stream import STREAM_INFER, InferStreams
from tests.server.doors.test_open_inference_grpc import HALF, asked
from tests.server.telemetry.metrics_page import monitoring, points
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until, write_model_config

ENABLED = "prometheus_config { enable: true }"
ONE = asked(id="1").SerializeToString()


class Stream:
    """A client of a stream that sends when it is told to."""

    def __init__(self, channel: grpc.Channel, **headers: str) -> None:
        self._sent: queue.Queue[bytes | None] = queue.Queue()
        self._call = channel.stream_stream(STREAM_INFER)(
            iter(self._sent.get, None), timeout=START_SECONDS, metadata=[*headers.items()]
        )

    def send(self, *payloads: bytes) -> None:
        for payload in payloads:
            self._sent.put(payload)

    def close(self) -> None:
        self._sent.put(None)

    def next(self) -> Any:
        return message("inference.ModelStreamInferResponse").FromString(next(self._call))

    def end(self) -> tuple[str, str]:
        """How the server ends it."""
        with pytest.raises(grpc.RpcError) as error:
            next(self._call)
        self.close()
        return error.value.code().name, error.value.details()


@pytest.fixture
def config(models: Path, tmp_path: Path) -> Path:
    """A fast model and a slow one."""
    return write_model_config(tmp_path / "models.config", {name: models / name for name in (HALF, "slow")})


@pytest.fixture
def server(transport: str, config: Path, tmp_path: Path) -> Iterator[tuple[ServerProcess, str]]:
    """A server with keys and an access log, and the key of somebody who may use one model."""
    keys = tmp_path / "keys.json"
    key = make_key("half", "predict,read", HALF, str(keys)).key
    flags = [f"--grpc_transport={transport}", f"--model_config_file={config}", f"--api_keys_file={keys}"]
    with ServerProcess([*flags, "--access_log=json"]) as running:
        yield running, key


def slow_request(ms: int) -> bytes:
    """A request that waits in the model."""
    made = message("inference.ModelInferRequest")(model_name="slow", id="slow")
    made.parameters["signature_name"].string_param = "wait"
    made.inputs.add(name="ms", datatype="FP32", shape=[1], contents={"fp32_contents": [ms]})
    return bytes(made.SerializeToString())


def test_the_end_of_the_server(transport: str, config: Path, tmp_path: Path) -> None:
    """What a stream is at is answered; then it ends, as one that waits does at once."""
    flags = [f"--grpc_transport={transport}", f"--model_config_file={config}", "--drain_grace_seconds=20"]
    flags += ["--max_in_flight=9", monitoring(tmp_path, ENABLED)]
    with ServerProcess(flags) as server, server.channel() as channel, server.channel() as other:
        busy, idle = Stream(channel), Stream(other)
        for each in (busy, idle):
            each.send(ONE)
            assert each.next().infer_response.id == "1"
        busy.send(slow_request(2000))
        wait_until("the slow model is asked", lambda: points(server)[":serving:requests_in_flight{}"] == 1)
        server.process.terminate()
        assert idle.end() == ("UNAVAILABLE", "The server is draining")
        answer = busy.next()
        assert (answer.error_message, answer.infer_response.id) == ("", "slow")
        assert busy.end() == ("UNAVAILABLE", "The server is draining")
        assert server.wait() == 0
    assert "dropped" not in "".join(server.output)


def test_each_request_needs_a_key_and_has_a_record(server: tuple[ServerProcess, str]) -> None:
    """Somebody may use one model: a request for another is an answer. Without a key the stream ends."""
    running, key = server
    with running.channel() as channel:
        stream = Stream(channel, authorization=f"Bearer {key}", **{"x-request-id": "of-the-stream"})
        stream.send(ONE, slow_request(1), ONE)
        answers = [stream.next() for _ in range(3)]
        stream.close()
        assert [each.infer_response.id for each in answers] == ["1", "slow", "1"]
        assert [bool(each.error_message) for each in answers] == [False, True, False]
        assert "half may not use model slow" in answers[1].error_message
        without = Stream(channel)
        without.send(ONE)
        code, text = without.end()
        assert (code, text.startswith("The request has no key")) == ("UNAUTHENTICATED", True)

    def lines() -> list[Any]:
        found = [json.loads(line) for line in running.output if line.startswith("{")]
        return [line for line in found if line["request_id"] == "of-the-stream"]

    wait_until("three lines are there", lambda: len(lines()) == 3)
    assert [line["code"] for line in lines()] == ["OK", "PERMISSION_DENIED", "OK"]
    assert {line["method"] for line in lines()} == {STREAM_INFER}


class _Context:
    """A call of grpcio's, as far as a stream asks it."""

    code: Any = None

    def set_code(self, code: Any) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def is_active(self) -> bool:
        return self.code is None

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> None:
        return None


def test_streams_beyond_the_most_are_refused() -> None:
    """Each has a thread; when one has ended there is room for another."""
    streams = InferStreams(lambda payload, context: payload, None, most=1)
    sent: queue.Queue[bytes | None] = queue.Queue()
    ended, first, second, third = threading.Event(), _Context(), _Context(), _Context()
    streams.begin(iter(sent.get, None), first, lambda data: ended.set() if data is None else None)
    streams.begin(iter(()), second, lambda data: None)
    assert second.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "1 streams of requests are open" in second.details
    sent.put(None)
    assert ended.wait(START_SECONDS)
    wait_until("the first is forgotten", lambda: not streams._open)
    streams.begin(iter(()), third, lambda data: None)
    assert third.code is None
    streams.drain()
    late = _Context()
    streams.begin(iter(()), late, lambda data: None)
    assert late.code is grpc.StatusCode.UNAVAILABLE


def test_bugs_of_ours_are_told_without_their_text(caplog: pytest.LogCaptureFixture) -> None:
    """The client learns that it is none of its own, the log has the rest."""

    def infer(payload: bytes, context: RequestContext) -> bytes:
        raise RuntimeError("secret")

    answer = message("inference.ModelStreamInferResponse").FromString(InferStreams(infer, None).answer(ONE, _Context()))
    assert answer.error_message == "Internal error; the server's log has the details"
    assert answer.infer_response.id == "1"
    assert "secret" in caplog.text
