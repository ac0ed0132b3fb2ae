"""Messages of the Open Inference Protocol's gRPC service that are read and written by their classes."""

from collections.abc import Mapping
from typing import Any

from serving.protos import message
from serving.rpc.api.tfs import parse


def parsed(method: str, payload: bytes) -> Any:
    """The request of a method. INTERNAL if the bytes are none."""
    return parse(message(f"inference.{method}Request"), payload)


def answer(method: str, values: Mapping[str, Any]) -> bytes:
    """The serialised answer of a method that has these values by the names of its fields."""
    from google.protobuf import json_format  # only here: who is asked for none of these does without

    made = json_format.ParseDict(values, message(f"inference.{method}Response")())
    return bytes(made.SerializeToString())
