"""The command ``plan``: how many workers and machines a rate needs, and what is in the way next."""

import json
import os
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serving.client.planning import sizing
from serving.client.planning.measurement import Measurement
from serving.client.planning.sizing import Plan, Wish
from serving.client.terminal.errors import ProblemError
from serving.client.terminal.probing import measure
from serving.client.terminal.show import table, width, wrapped

_FEW = 100
"""Below so many requests a p99 is little more than the slowest one."""

_IDLE = 0.5
"""Below so many cores the server is not what computes."""

_SEVERAL = 1.5
"""From so many cores on a worker has use of more than one."""


def plan(arguments: Namespace) -> int:
    """Measure, or read what was measured, and print the plan."""
    if arguments.measured:
        model, measured = _read(arguments.measured)
    else:
        first, measured = measure(arguments)
        model = f"{first.model} version {first.version}"
    wish = Wish(
        rate=arguments.rate,
        p99=arguments.p99,
        cores=arguments.cores or len(os.sched_getaffinity(0)),
        gigabits=arguments.network,
        utilisation=arguments.utilisation,
    )
    made = sizing.plan(measured, wish)
    if arguments.json:
        print(json.dumps(_plain(model, measured, wish, made, arguments.spare), indent=2))
        return 0
    print(wrapped(f"{model}: {wish.rate:,.0f} requests per second, p99 within {_ms(wish.p99)}", width()))
    print(_figures(wish, made, arguments.spare))
    for line in _advice(measured, wish, made, arguments.spare):
        print(wrapped(line, width()))
    limits = [(f"{limit.used:.0%}", limit.name, limit.sentence) for limit in made.limits]
    print(table(("USED", "OF", "THE NEAREST LIMIT FIRST"), limits, columns=width()))
    return 0


def _read(path: str) -> tuple[str, Measurement]:
    try:
        found = json.loads(Path(path).read_text())
        return str(found["model"]), Measurement.of(found["measurement"])
    except OSError as error:
        raise ProblemError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ProblemError(f"--measured {path}: expected what `serving-client plan --json` prints; {error}.") from None


def _figures(wish: Wish, made: Plan, spare: int) -> str:
    heads = ("MACHINES", "SPARE", "CORES", "WORKERS", "PER WORKER", "UTILISED", "P50 MS", "P99 MS")
    cells = (
        str(made.machines),
        str(spare),
        str(made.machines * wish.cores),
        str(made.workers),
        f"{made.per_worker:.1f}",
        f"{made.utilisation:.0%}",
        f"{made.p50 * 1e3:.2f}",
        f"{made.p99 * 1e3:.2f}",
    )
    return table(heads, [cells], columns=width())


def _advice(measured: Measurement, wish: Wish, made: Plan, spare: int) -> Iterator[str]:
    best, cores = measured.best, (measured.cpu_seconds or 0.0) * measured.capacity
    yield (
        f"Measured: {_ms(measured.alone_quantile(0.5))} (p99 {_ms(measured.alone_quantile(0.99))}) alone, "
        f"{best.per_second:,.0f} per second with {best.concurrency} at once, as by {measured.station.servers} servers"
        + (f", with {cores:.2g} cores." if cores else ".")
    )
    if len(measured.alone) < _FEW:
        yield f"The p99 alone is that of {len(measured.alone)} requests: measure for longer, with --seconds."
    if measured.client_bound and measured.cpu_seconds:
        yield (
            "This client could not ask for more, so what a worker answers is arithmetic: "
            f"{measured.capacity:,.0f} = one core / {measured.cpu_seconds * 1e6:,.0f} us of CPU per request."
        )
    elif measured.client_bound:
        yield (
            "This client could not ask for more: the server may answer more than was measured. With --rest the "
            "server's CPU time is counted in its place."
        )
    elif best.server_cores is not None and best.server_cores < _IDLE:
        yield (
            f"Nobody was busy, the client with {best.client_cores:.2g} cores and the server with "
            f"{best.server_cores:.2g}: the model waits, the way between them is slow, or others use these machines."
        )
    if made.workers_per_machine > 1:
        yield (
            f"Start each machine's server with --workers=auto or --workers={made.workers_per_machine}: a single "
            f"process has no use of all {wish.cores} cores."
        )
    elif cores >= _SEVERAL and wish.cores > 1:
        yield f"One process has use of {cores:.1f} cores already: more workers on a machine would share them."
    if spare:
        yield "SPARE is for machines that are lost or being replaced; the other columns are without them."


def _plain(model: str, measured: Measurement, wish: Wish, made: Plan, spare: int) -> dict[str, Any]:
    return {
        "model": model,
        "wish": asdict(wish),
        "plan": {**asdict(made), "spare": spare},
        "measurement": measured.plain(),
    }


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"
