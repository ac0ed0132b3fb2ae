"""The command ``bench``: how fast a model answers, as this client sees it."""

import json
from argparse import Namespace
from typing import Any

from serving.client.client import Client
from serving.client.errors import ServingError
from serving.client.terminal.errors import sentence
from serving.client.terminal.inputs import load
from serving.client.terminal.measuring import Load, Measured
from serving.client.terminal.predicting import answered, chosen
from serving.client.terminal.progress import Progress
from serving.client.terminal.samples import first_answer, made_up
from serving.client.terminal.servers import client_of
from serving.client.terminal.show import table, width, wrapped
from serving.client.values import Prediction

_SECONDS = 10.0


def bench(arguments: Namespace) -> int:
    """Measure; 1 if a request failed."""
    with client_of(arguments, arguments.model, retries=0) as client:
        name, signature = chosen(client, arguments)
        inputs = load(arguments, signature) if arguments.input else made_up(signature, arguments.batch)
        first = first_answer(client, arguments, name, inputs)

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
