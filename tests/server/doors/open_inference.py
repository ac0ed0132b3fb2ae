"""Requests of the Open Inference Protocol on bare sockets, and their answers in parts. No tests."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.raw import RawConnection, Response, request

HEADER_LENGTH = "inference-header-content-length"


def get(connection: RawConnection, path: str) -> Response:
    connection.send(request("GET", path))
    return connection.response()


def infer(
    connection: RawConnection, model: str, asked: Mapping[str, Any], behind: bytes = b"", *lines: str
) -> Response:
    """One inference request, with binary data behind its JSON if there is any."""
    text = json.dumps(asked).encode()
    length = [f"Inference-Header-Content-Length: {len(text)}"] if behind else []
    connection.send(request("POST", f"/v2/models/{model}/infer", text + behind, *length))
    return connection.response()


def split(response: Response) -> tuple[Any, bytes]:
    """An answer's JSON, and the bytes behind it."""
    assert response.status == 200, response.body
    size = int(response.headers.get(HEADER_LENGTH, len(response.body)))
    return json.loads(response.body[:size]), response.body[size:]


def given(name: str, datatype: str, shape: list[int], data: Any = None, **parameters: Any) -> dict[str, Any]:
    """One input."""
    made: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
    if data is not None:
        made["data"] = data
    return made | ({"parameters": parameters} if parameters else {})


MULTI = [given("a", "FP32", [2, 2], [1, 2, 3, 4]), given("b", "INT32", [2], [10, 20])]
