"""Replays what a real TensorFlow Serving answered (``recordings.jsonl``) against our server, and compares.

One JSON object a line: ``profile`` says which server to start (flags, files), ``request`` what to send, ``expect`` what
came back and ``compare`` in which sense ours must be equal: bytes, json, error, error_prefix, contains, proto, status.
"""

import base64
import http.client
import json
import math
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import text_format

from serving.protos import SignatureDefMap, message
from tests.support.server_process import START_SECONDS, ServerProcess

RECORDINGS = Path(__file__).with_name("recordings.jsonl")

Case = Mapping[str, Any]
Answer = dict[str, Any]

_RETRY_SECONDS = 0.1
_STEMS = {
    "Predict": "Predict",
    "Classify": "Classification",
    "Regress": "Regression",
    "MultiInference": "MultiInference",
    "GetModelMetadata": "GetModelMetadata",
    "GetModelStatus": "GetModelStatus",
    "HandleReloadConfigRequest": "ReloadConfig",
}


def load() -> list[Case]:
    """Every recording, in file order."""
    return [json.loads(line) for line in RECORDINGS.read_bytes().splitlines()]


def fill(value: Any, names: Mapping[str, str]) -> Any:
    """``{models}`` and ``{files}`` replaced in every string of a JSON value."""
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, list):
        return [fill(item, names) for item in value]
    if isinstance(value, dict):
        return {fill(key, names): fill(item, names) for key, item in value.items()}
    return value


def with_error(case: Case, text: str) -> Case:
    """The case with another error text, all of which must be answered."""
    given = {"details": text} if case["protocol"] == "grpc" else {"body": json.dumps({"error": text})}
    return {**case, "compare": "error", "expect": {**case["expect"], **given}}


def run_start(case: Case, models: Path, files: Path) -> tuple[Any, Answer, bool]:
    """What was expected of a server that must not start, what came, and whether they match."""
    profile = case["profile"]
    names = {"models": str(models), "files": str(files)}
    for name, text in profile.get("files", {}).items():
        (files / name).write_text(fill(text, names))
    expect = fill(case["expect"], names)
    with ServerProcess(fill(profile["flags"], names), wait=False) as server:
        status = server.wait(START_SECONDS)
        got: Answer = {"exit": status, "output": "".join(server.output)}
    return expect, got, status == expect["exit"] and expect["stdout"] in got["output"]


class ProfileServer:
    """A server started with one profile's flags and files; cases of the profile run against it in file order."""

    def __init__(self, profile: Mapping[str, Any], models: Path, files: Path, *extra_flags: str) -> None:
        self.names = {"models": str(models), "files": str(files)}
        for to, source in profile.get("copy", {}).items():
            self._step({"op": "copy", "from": source, "to": "{files}/" + to})
        for name, text in profile.get("files", {}).items():
            self._step({"op": "write", "path": "{files}/" + name, "text": text})
        self.process = ServerProcess([*fill(profile["flags"], self.names), *extra_flags])
        self._channel = self.process.channel()

    def close(self) -> None:
        """End the server."""
        self._channel.close()
        with self.process:
            pass

    def run(self, case: Case) -> tuple[Any, Answer, bool]:
        """What was expected, what came, and whether they match."""
        expect = fill(case["expect"], self.names)
        for step in case.get("before", []):
            self._step(step)
        deadline = time.monotonic() + case.get("within_s", 0)
        while True:
            got = self._send(case["protocol"], case["request"])
            good = matches(case, expect, got)
            if good or time.monotonic() >= deadline:
                break
            threading.Event().wait(_RETRY_SECONDS)
        for step in case.get("after", []):
            self._step(step)
        return expect, got, good

    def _step(self, step: Mapping[str, Any]) -> None:
        step = fill(dict(step), self.names)
        match step["op"]:
            case "rest" | "grpc" as protocol:
                thread = threading.Thread(target=self._send, args=(protocol, step["request"]), daemon=True)
                thread.start()
                if not step.get("background"):
                    thread.join()
            case "write":
                path = Path(step["path"])
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(path.name + ".new")
                partial.write_text(step["text"])
                partial.replace(path)
            case "copy":
                target = Path(step["to"])
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = Path(self.names["files"]) / "partial"
                shutil.copytree(step["from"], partial)
                partial.rename(target)
            case "remove":
                shutil.rmtree(step["path"], ignore_errors=True)
            case "sleep":
                threading.Event().wait(step["s"])
            case unknown:
                raise ValueError(f"unknown step {unknown!r}")

    def _send(self, protocol: str, request: Mapping[str, Any]) -> Answer:
        request = fill(dict(request), self.names)
        return self._send_rest(request) if protocol == "rest" else self._send_grpc(request)

    def _send_rest(self, request: Mapping[str, Any]) -> Answer:
        address = ("127.0.0.1", self.process.rest_port)
        try:
            with socket.create_connection(address, START_SECONDS) as connection:
                connection.sendall(rest_bytes(request))
                with http.client.HTTPResponse(connection, method=request.get("method", "POST")) as response:
                    response.begin()
                    headers = {name.lower(): value for name, value in response.getheaders()}
                    return {"status": response.status, "headers": headers, "body": response.read()}
        except (OSError, http.client.HTTPException) as error:
            return {"failure": f"{type(error).__name__}: {error}"}

    def _send_grpc(self, request: Mapping[str, Any]) -> Answer:
        call = self._channel.unary_unary(request["method"])
        try:
            response = call(grpc_bytes(request), timeout=request.get("timeout_s", START_SECONDS))
            return {"code": "OK", "response": response}
        except grpc.RpcError as error:
            return {"code": error.code().name, "details": error.details()}


def rest_bytes(request: Mapping[str, Any]) -> bytes:
    """The request exactly as it goes over the wire."""
    if "raw_b64" in request:
        return base64.b64decode(request["raw_b64"])
    body: bytes | None = None
    if "body_b64" in request:
        body = base64.b64decode(request["body_b64"])
    elif "body_parts" in request:
        body = "".join(text * count for text, count in request["body_parts"]).encode()
    elif "body" in request:
        body = request["body"].encode()
    lines = [f"{request['method']} {request['target']} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in request.get("headers", [])]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def _classes(method: str) -> tuple[Any, Any] | None:
    stem = _STEMS.get(method.rsplit("/", 1)[-1])
    if stem is None:
        return None
    return message(f"tensorflow.serving.{stem}Request"), message(f"tensorflow.serving.{stem}Response")


def grpc_bytes(request: Mapping[str, Any]) -> bytes:
    """The recorded bytes, or (where paths are filled in) those of the proto text."""
    if "bytes" in request:
        return base64.b64decode(request["bytes"])
    classes = _classes(request["method"])
    assert classes is not None
    return bytes(text_format.Parse(request["text"], classes[0]()).SerializeToString())


def matches(case: Case, expect: Mapping[str, Any], got: Answer) -> bool:
    """Whether an answer is the recorded one, in the sense that the case asks for."""
    if "failure" in got:
        return False
    return _grpc_matches(case, expect, got) if case["protocol"] == "grpc" else _rest_matches(case, expect, got)


def _grpc_matches(case: Case, expect: Mapping[str, Any], got: Answer) -> bool:
    if got["code"] != expect["code"]:
        return False
    match case["compare"]:
        case "proto":
            method = case["request"]["method"]
            wanted = base64.b64decode(expect["response_bytes"])
            return bool(_canonical(method, got["response"]) == _canonical(method, wanted))
        case "error":
            return bool(got["details"] == expect["details"])
        case "status":
            return True
        case _:
            return str(got["details"]).startswith(str(expect["error_prefix"]))


def _canonical(method: str, data: bytes) -> Any:
    """A comparable form of a response: the order of fields and map entries does not count."""
    classes = _classes(method)
    if classes is None:
        return data
    response = classes[1].FromString(data)
    unpacked = {}
    if response.DESCRIPTOR.name == "GetModelMetadataResponse":
        for key, packed in response.metadata.items():
            signatures = SignatureDefMap()
            packed.Unpack(signatures)
            unpacked[key] = (packed.type_url, signatures.SerializeToString(deterministic=True))
        response.ClearField("metadata")
    return response.SerializeToString(deterministic=True), unpacked


def _rest_matches(case: Case, expect: Mapping[str, Any], got: Answer) -> bool:
    if got["status"] != expect["status"]:
        return False
    if case["compare"] == "status":
        return True
    if any(got["headers"].get(name) != value for name, value in expect.get("headers", {}).items()):
        return False
    wanted = base64.b64decode(expect["body_b64"]) if "body_b64" in expect else expect.get("body", "").encode()
    match case["compare"]:
        case "bytes":
            return bool(got["body"] == wanted)
        case "contains":
            return all(text.encode() in got["body"] for text in expect["contains"])
        case "json":
            return same_json(_json(got["body"]), _json(wanted), case.get("tolerance", 0.0))
        case "error":
            return _error_text(wanted) is not None and _error_text(got["body"]) == _error_text(wanted)
        case _:
            return (_error_text(got["body"]) or "").startswith(str(expect["error_prefix"]))


def _json(body: bytes) -> Any:
    return json.loads(body.decode("utf-8", "surrogateescape"))


def _error_text(body: bytes) -> str | None:
    try:
        return str(_json(body)["error"])
    except (ValueError, KeyError, TypeError):
        return None


def same_json(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Equality with NaN == NaN, 1 != 1.0 and True != 1; the order of keys does not count."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_json(a[key], b[key], tolerance) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same_json(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and a != b:
        return (math.isnan(a) and math.isnan(b)) or abs(a - b) < tolerance
    return bool(a == b)
