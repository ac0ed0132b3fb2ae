"""Servers of one model whose processes a test may replace, what is asked of them, and when two answers are alike."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.server.doors.clients import GrpcClient, RefusedError, Target
from tests.support.server_process import ServerProcess

WIDTH = 64
SCRIPT = Path(__file__).with_name("make_engines.py")

SERVER = """
import sys
from serving.optimizing import optimize_stage
from serving.optimizing.process import Children, Programs
from tests.server.tensorflow.optimizing import children, doing
optimize_stage.Children = lambda: {children}
from serving.__main__ import console
sys.exit(console())
"""
FASTER = "children(0.89, 1e7)"
"""What is tried is by a fifth faster every time, so that OpenVINO runs all that it may."""
NONE = "doing('false')"
"""No process does anything."""

TRYING = "Servable {name: m version: 1}: trying faster ways to run it; --optimize=off leaves this out"
DONE = r"Servable \{name: m version: 1\} is (optimised|served as it is saved): (.*)"


def server(model: Path, *flags: str, children: str | None = None, environment: dict[str, str] | None = None) -> Any:
    """A server of the model, whose processes are others if told so."""
    command = [sys.executable, "-m", "serving"]
    if children is not None:
        command = [sys.executable, "-c", SERVER.format(children=children)]
    given = (f"--model_base_path={model}", "--model_name=m", "--rest_api_num_threads=8", *flags)
    return ServerProcess(given, command=command, environment=environment)


def lines(process: ServerProcess, part: str) -> list[str]:
    return [line for line in process.output if part in line]


def rows(count: int, seed: int = 0, scale: float = 1.0) -> Any:
    return (np.random.default_rng(seed).standard_normal((count, WIDTH)) * scale).astype(np.float32)


def examples(values: Any, signature: str) -> dict[str, Any]:
    """The body of a Classify or Regress request."""
    return {"signature_name": signature, "examples": [{"x": row} for row in values.tolist()]}


REST: dict[str, tuple[str, Any]] = {
    "one row": ("predict", {"instances": rows(1).tolist()}),
    "columns": ("predict", {"inputs": {"x": rows(3).tolist()}}),
    "many rows": ("predict", {"instances": rows(40).tolist()}),
    "large numbers": ("predict", {"instances": rows(2, scale=1e30).tolist()}),
    "indices": ("predict", {"signature_name": "lookup", "instances": [[0, 9], [3, 3]]}),
    "classify": ("classify", examples(rows(3), "classify")),
    "regress": ("regress", examples(rows(3), "regress")),
}
"""What is answered: the method and the body."""

REFUSED: dict[str, tuple[str, Any]] = {
    "size": ("predict", {"instances": rows(2)[:, 1:].tolist()}),
    "rank": ("predict", {"inputs": {"x": rows(1)[0].tolist()}}),
    "ragged": ("predict", {"instances": [[1.0] * WIDTH, [1.0]]}),
    "type": ("predict", {"instances": [["a"] * WIDTH]}),
    "index": ("predict", {"signature_name": "lookup", "instances": [[0, 10]]}),
    "negative index": ("predict", {"signature_name": "lookup", "instances": [[-1, 0]]}),
    "no index": ("predict", {"signature_name": "lookup", "instances": [[0.5, 0]]}),
    "no rows": ("predict", {"inputs": {"x": []}}),
    "signature": ("predict", {"signature_name": "nobody", "instances": [1]}),
    "input": ("predict", {"inputs": {"z": [1]}}),
    "no feature": ("classify", {"signature_name": "classify", "examples": [{"z": 1.0}]}),
    "short feature": ("regress", {"signature_name": "regress", "examples": [{"x": [1.0]}]}),
}
"""What is not."""

LOOKUP = Target(model="m", signature="lookup")
GRPC: dict[str, tuple[Target, dict[str, Any]]] = {
    "rows": (Target(model="m"), {"x": rows(5)}),
    "no rows": (Target(model="m"), {"x": rows(0)}),
    "NaN": (Target(model="m"), {"x": np.full((2, WIDTH), np.nan, np.float32)}),
    "infinity": (Target(model="m"), {"x": np.full((2, WIDTH), np.inf, np.float32)}),
    "type": (Target(model="m"), {"x": np.zeros((2, WIDTH), np.int32)}),
    "double": (Target(model="m"), {"x": np.zeros((2, WIDTH), np.float64)}),
    "size": (Target(model="m"), {"x": np.zeros((2, WIDTH + 1), np.float32)}),
    "rank": (Target(model="m"), {"x": np.zeros((2, 1, 1, WIDTH), np.float32)}),
    "scalar": (Target(model="m"), {"x": np.float32(1).reshape(())}),
    "indices": (LOOKUP, {"ids": np.array([[1, 2]], np.int32)}),
    "index": (LOOKUP, {"ids": np.array([[1, 2], [3, 10]], np.int32)}),
    "index of 64 bits": (LOOKUP, {"ids": np.array([[1, 2]], np.int64)}),
    "no indices": (LOOKUP, {"ids": np.zeros((0, 2), np.int32)}),
}

Seen = tuple[Any, ...]


def ask_rest(process: ServerProcess, method: str, body: Any) -> Seen:
    """Status and body of an exchange, as they come."""
    return process.rest("POST", f"/v1/models/m:{method}", json.dumps(body))


def ask_grpc(client: GrpcClient, target: Target, inputs: dict[str, Any]) -> Seen:
    """The outputs, or code and text of the error."""
    try:
        return (client.predict(target, inputs),)
    except RefusedError as error:
        return error.code, error.text


def alike(one: Any, other: Any) -> bool:
    """Whether all in it is equal, numbers to five digits."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        if one and all(isinstance(each, int | float) for each in one):
            return alike(np.array(one), np.array(other))
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, np.ndarray):
        scale = float(np.max(np.abs(one), initial=0.0, where=np.isfinite(one)))
        return one.shape == other.shape and bool(np.allclose(one, other, rtol=1e-4, atol=1e-4 * scale, equal_nan=True))
    if isinstance(one, bytes):
        return one == other or alike(json.loads(one), json.loads(other))
    return alike(np.array(one), np.array(other)) if isinstance(one, float) else bool(one == other)


def counted(process: ServerProcess) -> dict[str, float]:
    """Calls by engine, of the metrics page."""
    _, page = process.rest("GET", "/monitoring/prometheus/metrics")
    found = re.findall(rb':serving:engine_calls\{[^}]*engine="(\w+)"[^}]*\} ([\d.e+]+)', page)
    return {engine.decode(): float(count) for engine, count in found}
