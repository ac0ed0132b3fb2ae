"""The command ``bench``: how fast a model answers, as this client sees it."""

import json
from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.client import Client
from serving.client.errors import ServingError
from serving.client.terminal.errors import ProblemError, sentence
from serving.client.terminal.inputs import load
from serving.client.terminal.json_values import dtype_of
from serving.client.terminal.measuring import Load, Measured
from serving.client.terminal.predicting import answered, chosen
from serving.client.terminal.progress import Progress
from serving.client.terminal.servers import client_of
from serving.client.terminal.show import table, width, wrapped
from serving.client.values import Prediction, Signature, TensorInfo

_SECONDS = 10.0
_SEED = 15


def bench(arguments: Namespace) -> int:
    """Measure; 1 if a request failed."""
    with client_of(arguments, arguments.model, retries=0) as client:
        name, signature = chosen(client, arguments)
        inputs = load(arguments, signature) if arguments.input else _made_up(signature, arguments.batch)
        first = _first(client, arguments, name, inputs)

        def call() -> str:
            try:
                answered(client, arguments, name, inputs)
            except ServingError as error:
                return sentence(error)
            return ""

        seconds = None if arguments.requests else arguments.seconds or _SECONDS
        load_ = Load(call, concurrency=arguments.concurrency, seconds=seconds, requests=arguments.requests)
        with Progress() as progress:
            measured = load_.run(progress)
        _report(arguments, client, first, measured)
    return 1 if measured.errors or not measured.milliseconds else 0


def _first(client: Client, arguments: Namespace, name: str, inputs: dict[str, NDArray[Any]]) -> Prediction:
    """A call that is not measured: it opens the connection, and shows whether the model answers this at all."""
    try:
        return answered(client, arguments, name, inputs)
    except ServingError as error:
        if arguments.input:
            raise
        raise ProblemError(
            f"{sentence(error)}\nThe request was made from the signature alone: give one that the model answers with "
            "--input."
        ) from None


def _made_up(signature: Signature, batch: int) -> dict[str, NDArray[Any]]:
    """Arrays of the types and shapes of the inputs: fractions from 0 to 1, zeros of ints, empty strings."""
    random = np.random.default_rng(_SEED)
    return {name: _values(info, batch, random) for name, info in signature.inputs.items()}


def _values(info: TensorInfo, batch: int, random: np.random.Generator) -> NDArray[Any]:
    sizes = (-1,) if info.shape is None else info.shape
    shape = tuple(size if size >= 0 else 1 if index else batch for index, size in enumerate(sizes))
    if info.dtype == "string":
        array = np.empty(shape, object)
        array[...] = b""
        return array
    dtype = dtype_of(info.dtype)
    return np.zeros(shape, dtype) if dtype.kind in "iub" else random.random(shape).astype(dtype)


def _report(arguments: Namespace, client: Client, first: Prediction, measured: Measured) -> None:
    errors = measured.errors.total()
    if arguments.json:
        print(json.dumps(_plain(arguments, client, first, measured), indent=2))
        return
    requests = len(measured.milliseconds) + errors
    print(wrapped(f"{first.model} version {first.version}, {arguments.concurrency} at once, {client.address}"))
    latencies = measured.latencies()
    heads = ("REQUESTS", "ERRORS", "SECONDS", "PER SECOND", *(f"{name.upper()} MS" for name in latencies))
    cells = (str(requests), str(errors), f"{measured.seconds:.1f}", f"{measured.per_second:.1f}")
    print(table(heads, [[*cells, *(f"{value:.2f}" for value in latencies.values())]], columns=width()))
    for text, count in measured.errors.most_common(3):
        print(wrapped(f"{count} failed: {text}", width()))


def _plain(arguments: Namespace, client: Client, first: Prediction, measured: Measured) -> dict[str, Any]:
    return {
        "model": first.model,
        "version": first.version,
        "signature": first.signature,
        "server": client.address,
        "protocol": client.protocol,
        "concurrency": arguments.concurrency,
        "seconds": measured.seconds,
        "requests": len(measured.milliseconds) + measured.errors.total(),
        "errors": measured.errors.total(),
        "requests_per_second": measured.per_second,
        "latency_ms": measured.latencies(),
        "error_messages": dict(measured.errors),
    }
