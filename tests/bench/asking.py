"""One call at a time, with the answer looked at: before and after each load, and to learn when a server is ready."""

import http.client
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import grpc

from tests.bench import payloads
from tests.bench.payloads import Form
from tests.bench.results import BenchError

PREDICT = "/tensorflow.serving.PredictionService/Predict"

_CALL_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.01
_RUNTIME = re.compile(r"^:tensorflow:serving:runtime_latency_(sum|count)\{.*\} (\S+)$", re.MULTILINE)
# Channels share their connections, and the waits after a refused one, unless they are told not to.
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server answers: `http://host:port` and `host:port`; empty for a door that it does not have."""

    rest: str = ""
    grpc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The example of a model, in one form, to be asked under the name that the server knows it by."""

    model: str
    form: Form
    served_as: str = ""

    @property
    def name(self) -> str:
        """The name in the request."""
        return self.served_as or self.model

    def url(self, address: Address) -> str:
        """Where the load goes."""
        if self.form is Form.GRPC:
            return f"http://{address.grpc}{PREDICT}"
        return f"{address.rest}/v1/models/{self.name}:predict"

    def body(self) -> bytes:
        """The request; for gRPC without the length prefix."""
        return payloads.body(self.model, self.name, self.form)


def check(question: Question, address: Address) -> int:
    """Ask once; the answer's length in bytes.

    BenchError if it is not the right one; OSError if there is no server, or not yet.
    """
    answer = _over_grpc(question, address) if question.form is Form.GRPC else _over_rest(question, address)
    try:
        right = payloads.is_right(question.model, payloads.read(question.form, answer))
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"the answer cannot be read ({error}): {answer[:200]!r}") from None
    if not right:
        raise BenchError(f"a wrong answer: {answer[:200]!r}")
    return len(answer)


def _over_rest(question: Question, address: Address) -> bytes:
    headers = {"Content-Type": question.form.value}
    status, answer = exchange(address, "POST", f"/v1/models/{question.name}:predict", question.body(), headers)
    if status == http.client.SERVICE_UNAVAILABLE:
        raise ConnectionError("the server is not ready")
    if status != http.client.OK:
        raise BenchError(f"status {status}: {answer[:200]!r}")
    return answer


def exchange(
    address: Address, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """One REST exchange on a connection of its own: status and body. OSError if there is no server."""
    place = urlsplit(address.rest)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_CALL_SECONDS)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise BenchError(f"no HTTP answer: {error!r}") from None
    finally:
        connection.close()


def _over_grpc(question: Question, address: Address) -> bytes:
    with grpc.insecure_channel(address.grpc, options=CHANNEL_OPTIONS) as channel:
        try:
            answer: bytes = channel.unary_unary(PREDICT)(question.body(), timeout=_CALL_SECONDS)
        except grpc.RpcError as error:
            refused = error.code() is grpc.StatusCode.UNAVAILABLE
            text = f"{error.code().name}: {error.details()}"
            raise (ConnectionError(text) if refused else BenchError(text)) from None
        return answer


def await_answer(question: Question, address: Address, check_alive: Callable[[], None], seconds: float = 120.0) -> int:
    """Ask until there is an answer; its length in bytes. BenchError if it is wrong, or when ``seconds`` have passed."""
    deadline = time.monotonic() + seconds
    while True:
        check_alive()
        try:
            return check(question, address)
        except OSError as error:
            if time.monotonic() > deadline:
                raise BenchError(f"no answer within {seconds:.0f} s: {error}") from None
            time.sleep(_LOOK_AGAIN_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelClock:
    """Seconds spent in models and the calls that spent them, since the server's start."""

    seconds: float
    calls: int


def model_clock(address: Address) -> ModelClock:
    """What the server's own clock says on its page for Prometheus; nothing if there is none."""
    _, page = exchange(address, "GET", "/metrics")
    return read_model_clock(page.decode(errors="replace"))


def read_model_clock(page: str) -> ModelClock:
    """The sums over all models on a page for Prometheus."""
    figures = {"sum": 0.0, "count": 0.0}
    for kind, value in _RUNTIME.findall(page):
        figures[kind] += float(value)
    return ModelClock(seconds=figures["sum"] / 1e6, calls=int(figures["count"]))


def states(address: Address, model: str) -> dict[int, str]:
    """The state of each version of a model, as the status call tells it."""
    status, page = exchange(address, "GET", f"/v1/models/{model}")
    if status != http.client.OK:
        return {}
    return {int(each["version"]): each["state"] for each in json.loads(page)["model_version_status"]}
