"""The last lines of a start: what is served, where, and a command to try that works as printed."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from serving.core.manager import Manager
from serving.core.servable import State
from serving.core.signature import DEFAULT_SIGNATURE_NAME, Signature, TensorInfo
from serving.core.tensor import DataType

_MOST_NUMBERS = 64
"""A longer example is nothing to copy from a terminal."""

_NUMBERS = (1, 2, 5)

_FLOATS = frozenset((DataType.FLOAT, DataType.DOUBLE))
_INTEGERS = frozenset(DataType[name] for name in ("INT8", "UINT8", "INT16", "INT32", "UINT32", "INT64", "UINT64"))


def lines(
    manager: Manager,
    names: Sequence[str],
    rest_port: int,
    grpc_port: int,
    *,
    socket_path: str = "",
    https: bool = False,
    rest_at: str = "",
    anybody: bool = True,
    rest_failed: int = 0,
    page: bool = False,
    note: str = "",
) -> list[str]:
    """The lines, without log prefixes; ``rest_port`` 0 is no REST API, ``grpc_port`` 0 none but the socket.

    ``rest_at`` is host and port of REST where that is not "localhost". ``anybody`` says that REST asks for no
    certificate or key; otherwise there is no command that works as printed. ``rest_failed`` is a port that could not
    be had. ``page`` says that there is one for browsers. ``note`` is a line of its own, the last.
    """
    served = [(name, _available(manager, name)) for name in names]
    width = max((len(name) for name, _ in served), default=0)
    doors = [f"gRPC on port {grpc_port}"] if grpc_port else []
    doors += [f"gRPC on UNIX socket {socket_path}"] if socket_path else []
    doors += [f"REST on port {rest_port}"] if rest_port else []
    text = ["Serving over " + " and ".join(doors) + ":"]
    text += [f"  {name:<{width}}  {versions}" for name, versions in served]
    if rest_failed:
        text.append(f"No REST API: port {rest_failed} could not be had, as the log says above (--rest_api_port)")
    # The certificate is hardly one for "localhost", so curl must not insist on that.
    curl, scheme = ("curl -k", "https") if https else ("curl", "http")
    address = f"{scheme}://{rest_at or f'localhost:{rest_port}'}"
    if rest_port and page:
        text.append(f"In a browser: {address}/ui/")
    if rest_port and served and anybody:
        text += ["Try it:", "  " + _command(manager, names, curl, f"{address}/v1/models/")]
    return [*text, note] if note else text


def _available(manager: Manager, name: str) -> str:
    versions = [str(state.id.version) for state in manager.states(name) if state.state is State.AVAILABLE]
    return ("version " if len(versions) == 1 else "versions ") + ", ".join(versions)


def _command(manager: Manager, names: Sequence[str], curl: str, url: str) -> str:
    for name in (each for each in names if manager.serving.available(each)):  # others come with --lazy_load
        with manager.acquire(name) as handle:
            signature = handle.servable.signatures.get(DEFAULT_SIGNATURE_NAME)
        body = example_body(signature.for_predict) if signature is not None else None
        if body is not None:
            return f"{curl} -d '{json.dumps(body)}' '{url}{quote(name, safe='')}:predict'"
    return f"{curl} '{url}{quote(names[0], safe='')}'"


def example_body(signature: Signature) -> dict[str, Any] | None:
    """A small predict body that fits the signature's dtypes and shapes, or None if one cannot be made up."""
    examples = {alias: _example(info) for alias, info in signature.inputs.items()}
    if not examples or any(example is None for example in examples.values()):
        return None
    if len(examples) == 1:
        (info,), (example,) = signature.inputs.values(), examples.values()
        if not info.shape or len(info.shape) == 1:
            count = info.shape[0] if info.shape and 0 < info.shape[0] <= _MOST_NUMBERS else len(_NUMBERS)
            return {"instances": [example * number for number in (_NUMBERS * count)[:count]]}
        return {"instances": [example]}
    return {"instances": [examples]}


def _example(info: TensorInfo) -> Any:
    """One instance: a scalar, or nested lists of the shape without its batch dimension."""
    if info.dtype not in _FLOATS | _INTEGERS:
        return None
    sizes = [size if size > 0 else 1 for size in (info.shape or ())[1:]]
    count = 1
    for size in sizes:
        count *= size
    if count > _MOST_NUMBERS:
        return None
    value: Any = 1.0 if info.dtype in _FLOATS else 1
    for size in reversed(sizes):
        value = [value] * size
    return value
