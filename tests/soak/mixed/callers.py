"""The clients of a mixed soak: each makes calls of a kind drawn at random, and knows what may come of each."""

import http.client
import io
import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import grpc
import numpy as np

from serving.protos import PredictResponse
from tests.server.doors.clients import Target, floats, predict_request
from tests.soak.mixed.served import CHURNED, Served
from tests.soak.mixed.tally import Tally
from tests.support.frames import PREDICT

SIZES = (1, 3, 100, 10_000)
_TIMEOUT = 30.0
_PAUSE_SECONDS = 0.002
"""Between two calls of a client: the machine has other things to do, and a soak is no benchmark."""
_WAIT = predict_request(Target(model="slow", signature="wait"), {"ms": floats(50)})
_BY_LABEL = Target(model="half_plus_two", label="stable")
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_REFUSED = 429

Answer = tuple[int, bytes]


def is_one_of(*expected: int) -> Callable[[Answer], str]:
    """Says what is wrong with an answer of another status."""
    return lambda answer: "" if answer[0] in expected else f"HTTP {answer[0]} {answer[1]!r}"


class RestCaller:
    """A connection that is kept as long as it goes."""

    def __init__(self, served: Served, tally: Tally, seed: int) -> None:
        self._served, self._tally, self._draw = served, tally, random.Random(seed)
        self._connection = http.client.HTTPConnection("127.0.0.1", served.server.rest_port, timeout=_TIMEOUT)
        self._kinds: list[tuple[int, str, Callable[[], tuple[str, bool]]]] = [
            (6, "REST JSON", self._json),
            (3, "REST npy", self._npy),
            (3, "REST protobuf", self._protobuf),
            (2, "REST label", self._label),
            (2, "REST version change", self._churned),
            (1, "REST status", lambda: self._get("/v1/models/half_plus_three", served.caller)),
            (1, "REST models", lambda: self._get("/v1/models", served.caller)),
            (1, "REST metadata", lambda: self._get("/v1/models/half_plus_two/metadata", served.caller)),
            (1, "REST health", lambda: self._get("/healthz/ready", "")),
            (0, "REST metrics", lambda: self._get("/metrics", served.admin)),
            (1, "REST bad", self._bad),
            (1, "REST gone", self._gone),
        ]

    def run(self, over: threading.Event) -> None:
        """Call until it is over. The page of metrics comes each hundred calls, as it costs more than a call."""
        weights = [weight for weight, _, _ in self._kinds]
        metrics = next(each for each in self._kinds if each[1] == "REST metrics")
        number = 0
        while not over.wait(_PAUSE_SECONDS):
            number += 1
            _, kind, call = metrics if number % 100 == 0 else self._draw.choices(self._kinds, weights)[0]
            began = time.perf_counter()
            try:
                trouble, refused = call()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                trouble, refused = f"{type(error).__name__}: {error}", False
            self._tally.note(kind, began, trouble, refused=refused)
        self._connection.close()

    def _ask(
        self, method: str, path: str, key: str, body: bytes | None = None, kind: str = "application/json"
    ) -> Answer:
        headers = {"Content-Type": kind, **({"x-api-key": key} if key else {})}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def _predict(self, model: str, body: bytes, kind: str, check: Callable[[bytes], bool]) -> tuple[str, bool]:
        status, data = self._ask("POST", f"/v1/models/{model}:predict", self._served.caller, body, kind)
        if status == _REFUSED:
            return "", True
        return ("" if status == 200 and check(data) else f"HTTP {status} {data[:200]!r}"), False

    def _get(self, path: str, key: str) -> tuple[str, bool]:
        answer = self._ask("GET", path, key)
        return is_one_of(200)(answer), False

    def _numbers(self) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
        return np.full(self._draw.choice(SIZES), self._draw.randint(0, 1000), np.float32)

    def _json(self) -> tuple[str, bool]:
        x = self._numbers()
        body = json.dumps({"instances": x.tolist()}).encode()
        expected = (x / 2 + 3).tolist()
        return self._predict(
            "half_plus_three", body, "application/json", lambda data: json.loads(data)["predictions"] == expected
        )

    def _npy(self) -> tuple[str, bool]:
        x, file = self._numbers(), io.BytesIO()
        np.save(file, x)
        return self._predict(
            "half_plus_three",
            file.getvalue(),
            "application/x-npy",
            lambda data: np.array_equal(np.load(io.BytesIO(data)), x / 2 + 3),
        )

    def _protobuf(self) -> tuple[str, bool]:
        x = self._numbers()
        body = predict_request(Target(model="half_plus_three"), {"x": x})
        return self._predict("half_plus_three", body, "application/x-protobuf", lambda data: is_right(data, x))

    def _label(self) -> tuple[str, bool]:
        model = "half_plus_two/labels/stable"
        return self._predict(
            model,
            b'{"instances": [[6.0]]}',
            "application/json",
            lambda data: json.loads(data)["predictions"] in _EITHER,
        )

    def _churned(self) -> tuple[str, bool]:
        return self._predict(
            CHURNED, b'{"instances": [2.0]}', "application/json", lambda data: json.loads(data)["predictions"] == [4.0]
        )

    def _bad(self) -> tuple[str, bool]:
        caller, admin = self._served.caller, self._served.admin
        predict = "/v1/models/half_plus_three:predict"
        method, path, key, body, status = self._draw.choice(
            (
                ("POST", predict, caller, b'{"instances": [', 400),
                ("POST", predict, caller, b'{"instances": ["a"]}', 400),
                ("POST", "/v1/models/none:predict", caller, b'{"instances": [1]}', 404),
                ("POST", predict, "", b'{"instances": [1]}', 401),
                ("POST", predict, "tfs_wrong", b'{"instances": [1]}', 401),
                ("POST", predict, admin, b'{"instances": [1]}', 403),
                ("GET", "/metrics", caller, None, 403),
                ("GET", "/nowhere", caller, None, 404),
            )
        )
        answer = self._ask(method, path, key, body)
        return is_one_of(status, _REFUSED)(answer), answer[0] == _REFUSED

    def _gone(self) -> tuple[str, bool]:
        """Send a call that takes a while, and leave."""
        connection = http.client.HTTPConnection("127.0.0.1", self._served.server.rest_port, timeout=_TIMEOUT)
        body = b'{"signature_name": "wait", "inputs": {"ms": [50.0]}}'
        connection.request("POST", "/v1/models/slow:predict", body, {"x-api-key": self._served.caller})
        connection.close()
        return "", False


_EITHER = ([[5.0]], [[4.0]], [5.0], [4.0])
"""What the two versions of half_plus_two say of 6."""


def is_right(data: bytes, x: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> bool:
    """Whether a PredictResponse has half of ``x`` and three."""
    return np.array_equal(np.array(PredictResponse.FromString(data).outputs["y"].float_val, np.float32), x / 2 + 3)


class GrpcCaller:
    """A channel of its own."""

    def __init__(self, served: Served, tally: Tally, seed: int) -> None:
        self._served, self._tally, self._draw = served, tally, random.Random(seed)
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
        self._channel = grpc.insecure_channel(f"127.0.0.1:{served.server.grpc_port}", options)
        self._kinds: list[tuple[int, str, Callable[[], tuple[str, bool]]]] = [
            (8, "gRPC predict", self._predict),
            (2, "gRPC version change", self._churned),
            (2, "gRPC label", self._label),
            (1, "gRPC status", self._status),
            (1, "gRPC slow", lambda: self._coded(_WAIT, _TIMEOUT, "OK")),
            (1, "gRPC late", lambda: self._coded(_WAIT, 0.02, "OK", "DEADLINE_EXCEEDED")),
            (1, "gRPC cancelled", self._cancelled),
            (1, "gRPC bad", self._bad),
        ]

    def run(self, over: threading.Event) -> None:
        """Call until it is over."""
        weights = [weight for weight, _, _ in self._kinds]
        while not over.wait(_PAUSE_SECONDS):
            _, kind, call = self._draw.choices(self._kinds, weights)[0]
            began = time.perf_counter()
            trouble, refused = call()
            self._tally.note(kind, began, trouble, refused=refused)
        self._channel.close()

    def _call(self, payload: bytes, timeout: float, key: str, method: str = PREDICT) -> tuple[str, bytes | str]:
        metadata = [("x-api-key", key)] if key else []
        try:
            return "OK", self._channel.unary_unary(method)(payload, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            return error.code().name, str(error.details())

    def _coded(self, payload: bytes, timeout: float, *codes: str, key: str | None = None) -> tuple[str, bool]:
        code, told = self._call(payload, timeout, self._served.caller if key is None else key)
        refused = code == "RESOURCE_EXHAUSTED"
        return ("" if refused or code in codes else f"{code} {told!r}"), refused

    def _predict(self) -> tuple[str, bool]:
        x = np.full(self._draw.choice(SIZES), self._draw.randint(0, 1000), np.float32)
        code, told = self._call(
            predict_request(Target(model="half_plus_three"), {"x": x}), _TIMEOUT, self._served.caller
        )
        if code == "RESOURCE_EXHAUSTED":
            return "", True
        return ("" if isinstance(told, bytes) and is_right(told, x) else f"{code} {told[:200]!r}"), False

    def _churned(self) -> tuple[str, bool]:
        return self._coded(predict_request(Target(model=CHURNED), {"x": floats(2)}), _TIMEOUT, "OK")

    def _label(self) -> tuple[str, bool]:
        x = np.array([[6.0]], np.float32)
        return self._coded(predict_request(_BY_LABEL, {"x": x}), _TIMEOUT, "OK")

    def _status(self) -> tuple[str, bool]:
        code, told = self._call(_status_request(), _TIMEOUT, self._served.caller, _STATUS)
        return ("" if code == "OK" else f"{code} {told!r}"), False

    def _cancelled(self) -> tuple[str, bool]:
        call = self._channel.unary_unary(PREDICT).future(
            _WAIT, timeout=_TIMEOUT, metadata=[("x-api-key", self._served.caller)]
        )
        with suppress(grpc.FutureTimeoutError, grpc.RpcError):
            call.result(self._draw.random() * 0.02)
        call.cancel()
        return "", False

    def _bad(self) -> tuple[str, bool]:
        caller = self._served.caller
        none = predict_request(Target(model="none"), {"x": floats(1)})
        payload, key, code = self._draw.choice(
            ((b"\xff", caller, "INTERNAL"), (none, caller, "NOT_FOUND"), (none, "", "UNAUTHENTICATED"))
        )
        return self._coded(payload, _TIMEOUT, code, key=key)


@cache
def _status_request() -> bytes:
    from serving.protos import message

    request = message("tensorflow.serving.GetModelStatusRequest")()
    request.model_spec.name = "half_plus_three"
    return bytes(request.SerializeToString())
