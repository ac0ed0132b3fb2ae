"""The metrics page of a running server, read as numbers, and calls that move them. No tests."""

import re
from collections.abc import Mapping
from pathlib import Path

import grpc
from google.protobuf import text_format

from serving.protos import message
from tests.support.server_process import START_SECONDS, ServerProcess

PAGE = "/monitoring/prometheus/metrics"
INSTANCES = '{"instances": [1.0, 2.0]}'
POINT = re.compile(r"(.*\}) (\S+)")
_NOT_SETTLED = re.compile(r"_(bucket|sum)\{")


def monitoring(directory: Path, text: str) -> str:
    """The flag for a monitoring file with this text."""
    path = directory / "monitoring.config"
    path.write_text(text)
    return f"--monitoring_config_file={path}"


def points(server: ServerProcess, path: str = PAGE) -> dict[str, float]:
    """Every number of the page by its name and labels."""
    status, body = server.rest("GET", path)
    assert status == 200
    return {match[1]: float(match[2]) for line in body.decode().splitlines() if (match := POINT.fullmatch(line))}


def added(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What has grown under ``tensorflow:serving``, and by how much; without sums and buckets, which depend on time."""
    return {
        name.removeprefix(":tensorflow:serving:"): value - before.get(name, 0)
        for name, value in after.items()
        if name.startswith(":tensorflow:serving:") and value != before.get(name, 0) and not _NOT_SETTLED.search(name)
    }


def call(server: ServerProcess, method: str, request: str, kind: str) -> str:
    """The status code of a gRPC call, by name; the request is proto text of the message ``kind``."""
    data = text_format.Parse(request, message(f"tensorflow.serving.{kind}")()).SerializeToString()
    with server.channel() as channel:
        try:
            channel.unary_unary(method)(data, timeout=START_SECONDS)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"
