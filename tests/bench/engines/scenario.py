"""Starts two servers of each model, and lets them take turns: the same calls, never both at once."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench import load
from tests.bench.asking import Question
from tests.bench.engines import figures
from tests.bench.engines.asking import ask, difference, request, values
from tests.bench.engines.figures import CELLS, Cell, Measured
from tests.bench.keras_inputs import inputs
from tests.bench.keras_models import VERSION
from tests.bench.payloads import Form, framed
from tests.bench.progress import Progress
from tests.bench.results import BenchError, Failure, Outcome, Table
from tests.bench.servers import ModelTime, Server, serving
from tests.bench.settings import Engines, Settings

SIDES = BASELINE, OURS = "baseline", "ours"

_SEED = 7
_LEAST_CALLS = 2
"""Of each client in a turn."""
_MOST_CALLS = 20_000
_LONGEST_TURN_SECONDS = 300
_PREPARATION_SECONDS = 40.0
_START_SECONDS = 120.0
_LOOK_AGAIN_SECONDS = 0.05
_SLOWEST_TURNS = 1.5
"""How much longer turns are than wished, about: few calls of the large models are enough to fill one."""


def engines(settings: Settings, progress: Progress) -> Outcome:
    """All models, or those that were named; one that fails is in the failures, and the rest goes on."""
    outcome = Outcome()
    measured: list[Measured] = []
    choices: list[tuple[str, str]] = []
    for model in settings.engines.models:
        try:
            with ExitStack() as stack:
                found, chosen = _Pair(model, settings, stack, progress).measured()
        except (BenchError, OSError) as error:
            outcome.failures.append(Failure(scenario="engines", what=model, why=str(error)))
            continue
        measured += found
        choices.append((model, chosen))
    judged = settings.engines.judged
    outcome.tables = [*figures.tables(measured, judged=judged), *figures.beside_bare(measured, judged=judged)]
    outcome.tables += _choices(choices)
    outcome.ratios = list(figures.medians(measured))
    return outcome


def _choices(found: Sequence[tuple[str, str]]) -> Iterator[Table]:
    if any(chosen for _, chosen in found):
        yield Table(title="Engines: what our server said", columns=("model", "in its log"), lines=tuple(found))


def engines_seconds(settings: Settings) -> float:
    """About how long that takes."""
    how = settings.engines
    turns = (how.rounds + 1) * (len(how.cells) * len(SIDES) + (CELLS[0] in how.cells))
    return len(how.models) * (_PREPARATION_SECONDS + turns * how.turn_seconds * _SLOWEST_TURNS)


def order(number: int) -> tuple[str, ...]:
    """Who goes first in a round: each in every other one, so that going first is no advantage."""
    return SIDES if number % 2 == 0 else SIDES[::-1]


def calls_in(seconds: float, clients: int, rate: float) -> int:
    """How many calls take about ``seconds`` at ``rate`` a second: as many for each client, and not too few."""
    each = math.ceil(seconds * rate / clients)
    return clients * min(max(each, _LEAST_CALLS), _MOST_CALLS)


def _bare(model: str, settings: Settings) -> ModelTime:
    return ModelTime("openvino_time", settings.models / model / VERSION, model, settings.work)


def _await_answer(server: Server, body: bytes) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        server.check_alive()
        try:
            ask(server.address.grpc, body)
        except OSError as error:
            if time.monotonic() > deadline:
                raise BenchError(f"no answer within {_START_SECONDS:.0f} s: {error}") from None
            time.sleep(_LOOK_AGAIN_SECONDS)
        else:
            return


class _Pair:
    """The two servers of a model."""

    def __init__(self, model: str, settings: Settings, stack: ExitStack, progress: Progress) -> None:
        self._model, self._settings, self._progress = model, settings, progress
        self._how: Engines = settings.engines
        self._times: dict[tuple[str, Cell], list[float]] = {}
        self._calls: dict[Cell, int] = {}
        self._answer_bytes: dict[int, int] = {}
        self._differences: dict[int, float] = {}
        self._progress.begin(f"engines, {model}: starting both servers", _PREPARATION_SECONDS)
        # One after the other: what the second one tries must not be slowed by the first one's start.
        self._servers = {side: self._started(side, stack) for side in SIDES}
        self._bare_times: list[float] = []
        self._bare = stack.enter_context(_bare(model, settings)) if CELLS[0] in self._how.cells else None

    def measured(self) -> tuple[list[Measured], str]:
        """What came out, cell by cell, and what our server said that it chose."""
        self._compare()
        self._warm_up()
        for number in range(self._how.rounds):
            for cell in self._how.cells:
                what = f"engines, {self._model}, {cell}, round {number + 1} of {self._how.rounds}"
                self._progress.begin(what, len(SIDES) * self._how.turn_seconds * _SLOWEST_TURNS)
                for side in order(number):
                    self._times.setdefault((side, cell), []).append(self._turn(side, cell))
                if self._bare and cell == CELLS[0]:
                    self._bare_times.append(self._bare.measure(self._how.turn_seconds).mean_ms)
        self._compare()
        return list(self._found()), self._servers[OURS].chosen()

    def _started(self, side: str, stack: ExitStack) -> Server:
        flags = self._how.baseline if side == BASELINE else self._how.ours
        base = self._settings.models / self._model
        places = (f"--model_name={self._model}", f"--model_base_path={base}", "--grpc_transport=native")
        program = serving(side, *places, *flags, one_core=False)
        server = stack.enter_context(Server(program, {}, None, self._settings.work))
        _await_answer(server, request(self._model, inputs(self._model, 1, _SEED)))
        server.await_tried()
        return server

    def _compare(self) -> None:
        """Ask both the same; how far they are apart is kept, and how long an answer is."""
        for rows in {cell.rows for cell in self._how.cells}:
            body = request(self._model, inputs(self._model, rows, _SEED))
            self._body(rows).write_bytes(framed(body))
            answers = [ask(self._servers[side].address.grpc, body) for side in (OURS, BASELINE)]
            found = difference(*map(values, answers))
            self._differences[rows] = max(found, self._differences.get(rows, 0.0))
            self._answer_bytes[rows] = min(map(len, answers))

    def _warm_up(self) -> None:
        for cell in self._how.cells:
            self._calls[cell] = _LEAST_CALLS * cell.clients
            seconds = [self._turn(side, cell) * cell.rows / 1e3 for side in SIDES for _ in range(2)]
            # By the slower one's second turn: then both take about as long as wished, or less.
            self._calls[cell] = calls_in(self._how.turn_seconds, cell.clients, 1 / max(seconds[1], seconds[3]))
            for side in SIDES:
                self._turn(side, cell)

    def _turn(self, side: str, cell: Cell) -> float:
        """Milliseconds per row."""
        server = self._servers[side]
        server.check_alive()
        turn = load.Load(
            url=Question(model=self._model, form=Form.GRPC).url(server.address),
            body=self._body(cell.rows),
            form=Form.GRPC,
            answer_bytes=self._answer_bytes[cell.rows],
            concurrency=cell.clients,
            seconds=_LONGEST_TURN_SECONDS,
            exact=True,
            calls=self._calls[cell],
        )
        return 1e3 / (load.run(turn).throughput * cell.rows)

    def _body(self, rows: int) -> Path:
        return self._settings.work / f"{self._model}-{rows}.grpc"

    def _found(self) -> Iterator[Measured]:
        for cell in self._how.cells:
            ours, baseline = (tuple(self._times[side, cell]) for side in (OURS, BASELINE))
            yield Measured(
                model=self._model,
                cell=cell,
                ours=ours,
                baseline=baseline,
                difference=self._differences[cell.rows],
                bare=tuple(self._bare_times) if cell == CELLS[0] else (),
            )
