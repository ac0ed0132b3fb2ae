"""One server under growing load: what a plan is made from."""

import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from serving.client.client import Client
from serving.client.errors import ServingError
from serving.client.planning.measurement import Level, Measurement
from serving.client.terminal.errors import ProblemError, sentence
from serving.client.terminal.inputs import load
from serving.client.terminal.measuring import Load, Measured
from serving.client.terminal.predicting import answered, chosen
from serving.client.terminal.progress import Progress
from serving.client.terminal.rest_list import cpu_seconds
from serving.client.terminal.samples import first_answer, made_up
from serving.client.terminal.servers import client_of, model_states
from serving.client.values import Prediction

LEVELS = (1, 2, 4, 8, 16, 32, 64)
"""Requests on their way at once; until two in a row have not brought a tenth more."""

_GROWTH = 1.1
_ANSWERING = ("AVAILABLE", "READY")
_SHARE_ALONE = 0.3
_FIRST_CALLS = 3


def measure(arguments: Namespace) -> tuple[Prediction, Measurement]:
    """An answer, and what was measured within about --seconds.

    ProblemError if the model does not answer, or if the server has several and none was named.
    """
    arguments.model = arguments.model or arguments.named or _only(arguments)
    with client_of(arguments, arguments.model, retries=0) as client:
        name, signature = chosen(client, arguments)
        inputs = load(arguments, signature) if arguments.input else made_up(signature, arguments.batch)
        first = first_answer(client, arguments, name, inputs)
        for _ in range(_FIRST_CALLS):
            answered(client, arguments, name, inputs)
        return first, _measured(arguments, client, name, inputs, first)


def _only(arguments: Namespace) -> str:
    names = sorted({each.model for each in model_states(arguments) if each.state in _ANSWERING})
    if len(names) != 1:
        raise ProblemError(f"Which model? The server has {', '.join(names) or 'none'}: give its name.")
    return names[0]


def _measured(
    arguments: Namespace, client: Client, name: str, inputs: Mapping[str, NDArray[Any]], first: Prediction
) -> Measurement:
    def call() -> str:
        try:
            answered(client, arguments, name, dict(inputs))
        except ServingError as error:
            return sentence(error)
        return ""

    levels: list[Level] = []
    alone: list[float] = []
    with Progress() as progress:
        for concurrency in LEVELS:
            share = _SHARE_ALONE if concurrency == 1 else (1 - _SHARE_ALONE) / (len(LEVELS) - 1)
            level, measured = _level(arguments, call, concurrency, share * arguments.seconds, progress)
            if concurrency == 1:
                _check_alone(measured)
                alone = [each / 1e3 for each in measured.milliseconds]
            elif measured.errors:  # refused, beyond what the server takes at a time
                break
            if level.per_second:
                levels.append(level)
            if _over(levels):
                break
    return Measurement(
        alone=tuple(alone), levels=tuple(levels), request_bytes=_bytes(inputs), answer_bytes=_bytes(first)
    )


def _over(levels: Sequence[Level]) -> bool:
    """Whether neither of the last two levels brought much more than the best one before them."""
    rates = [level.per_second for level in levels]
    return len(rates) > 2 and max(rates[-2:]) < _GROWTH * max(rates[:-2])


def _check_alone(measured: Measured) -> None:
    for text, count in measured.errors.most_common(1):
        raise ProblemError(f"{count} requests failed, one at a time: {text}")
    if not measured.milliseconds:
        raise ProblemError("No request was answered in time: measure for longer, with --seconds.")


def _level(
    arguments: Namespace, call: Callable[[], str], concurrency: int, seconds: float, progress: Progress
) -> tuple[Level, Measured]:
    server = cpu_seconds(arguments) if arguments.rest else None
    client, began = time.process_time(), time.perf_counter()
    measured = Load(call, concurrency=concurrency, seconds=seconds, requests=None).run(progress)
    taken, ours = time.perf_counter() - began, time.process_time() - client
    after = cpu_seconds(arguments) if arguments.rest else None
    used = None if server is None or after is None else (after - server) / taken
    return Level(
        concurrency=concurrency, per_second=measured.per_second, client_cores=ours / taken, server_cores=used
    ), measured


def _bytes(arrays: Mapping[str, NDArray[Any]]) -> int:
    """Of the elements, as gRPC carries them."""
    return sum(
        sum(len(each) for each in array.ravel()) if array.dtype.kind == "O" else array.nbytes
        for array in arrays.values()
    )
