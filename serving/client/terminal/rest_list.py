"""What only a server's REST API tells: the names of its models, where its gRPC API has no list, and its CPU time."""

import http.client
import json
import re
import ssl
from argparse import Namespace
from contextlib import closing
from typing import Any

from serving.client.terminal.errors import ProblemError

REST_PORT = 8501
METRICS = "/monitoring/prometheus/metrics"
_CPU = re.compile(rb"^process_cpu_seconds_total(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
_LARGEST_LIST_BYTES = 64 * 1024 * 1024


def with_port(address: str, port: int) -> str:
    """The address with its port, or with this one if it has none."""
    bare = address.rpartition("]")[2] if address.startswith("[") else address
    if ":" not in bare:
        return f"{address}:{port}"
    return address


def names(arguments: Namespace) -> list[str]:
    """The names that GET /v1/models has."""
    address, status, body = _exchange(arguments, "/v1/models")
    if status in (401, 403):
        raise ProblemError(
            f"GET /v1/models of {address} wants another key (HTTP {status}): --api-key or SERVING_API_KEY."
        )
    try:
        found = [each if isinstance(each, str) else str(each["name"]) for each in json.loads(body)["models"]]
    except (ValueError, KeyError, TypeError):
        raise ProblemError(
            f"GET /v1/models of {address} gives no list of models (HTTP {status}). Ask for a model by its name: "
            "serving-client status MODEL."
        ) from None
    return list(dict.fromkeys(found))


def cpu_seconds(arguments: Namespace) -> float | None:
    """The CPU time that the server has used since its start, from its page for Prometheus; None if it is not there."""
    _, status, body = _exchange(arguments, METRICS)
    found = _CPU.findall(body) if status == http.client.OK else []
    return sum(map(float, found)) if found else None


def _exchange(arguments: Namespace, target: str) -> tuple[str, int, bytes]:
    """The address, and the status and body of the answer."""
    address = with_port(arguments.rest.removeprefix("http://").removeprefix("https://").rstrip("/"), REST_PORT)
    headers = {"Authorization": f"Bearer {arguments.api_key}"} if arguments.api_key else {}
    try:
        with closing(_rest_connection(arguments, address)) as connection:
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
            return address, response.status, response.read(_LARGEST_LIST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        raise ProblemError(
            f"No REST API answers at {address}; its port is 8501 by default. The reason: {why}"
        ) from None


def _rest_connection(arguments: Namespace, address: str) -> http.client.HTTPConnection:
    given: dict[str, Any] = {"timeout": arguments.timeout}
    if not arguments.rest.startswith("https://"):
        return http.client.HTTPConnection(address, **given)
    context = ssl.create_default_context(cafile=arguments.ca)
    if arguments.cert:
        context.load_cert_chain(arguments.cert, arguments.key_file)
    return http.client.HTTPSConnection(address, context=context, **given)
