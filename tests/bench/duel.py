"""Runs one table of loads: starts its servers, lets the contenders take turns, and sets them against each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.bench import load, models
from tests.bench.asking import Address, ModelClock, await_answer, check, model_clock
from tests.bench.payloads import Form, framed
from tests.bench.progress import Progress
from tests.bench.results import BenchError, Failure, Key, Measurement, Names, NothingAnsweredError, Outcome, Row, row
from tests.bench.scenarios import Comparison, Contender, Scenario
from tests.bench.servers import ModelTime, Program, Server, pinned
from tests.bench.settings import Settings

TURN_SECONDS = 1
PATIENT_SECONDS = 10
"""How long a turn is when in the usual time nobody was answered: a slow contender, or a busy machine."""

_AROUND_SECONDS = 0.4


def planned_seconds(scenario: Scenario, settings: Settings) -> float:
    """About how long a run of ``scenario`` takes."""
    turns = sum(1 for _ in _turns(scenario, settings.rounds))
    return scenario.preparation_seconds + turns * (TURN_SECONDS + _AROUND_SECONDS)


def run(scenario: Scenario, settings: Settings, progress: Progress) -> Outcome:
    """Measure everything that can be; what fails is in the outcome's failures, and the rest goes on."""
    outcome = Outcome()
    progress.begin(f"{scenario.name}: starting the servers", scenario.preparation_seconds)
    with ExitStack() as stack:
        duel = _Duel(scenario, settings, stack, outcome)
        duel.start()
        for level, contender in _turns(scenario, settings.rounds):
            what = f"{scenario.unit} {level}" if level else "to warm up"
            progress.begin(f"{scenario.name}, {contender.name}, {what}", TURN_SECONDS + _AROUND_SECONDS)
            duel.take_turn(contender, level)
        duel.check_again()
    outcome.rows = list(rows(scenario, outcome.measurements))
    return outcome


def _turns(scenario: Scenario, rounds: int) -> Iterator[tuple[int, Contender]]:
    """Level by level, all contenders one after the other, ``rounds`` times; first once each, to warm them."""
    yield from ((0, contender) for contender in scenario.contenders)
    for level in scenario.levels:
        for _ in range(rounds):
            yield from ((level, each) for each in scenario.contenders if scenario.compared(each, level))


class _Duel:
    """The servers of a running scenario. A contender that fails once is out."""

    def __init__(self, scenario: Scenario, settings: Settings, stack: ExitStack, outcome: Outcome) -> None:
        self._scenario, self._settings, self._stack, self._outcome = scenario, settings, stack, outcome
        self._servers: dict[Program, Server] = {}
        self._engines: dict[str, ModelTime] = {}
        self._answer_bytes: dict[str, int] = {}
        self._out: set[str] = set()

    def start(self) -> None:
        """Start everything at once, then wait until each answers rightly."""
        for contender in self._scenario.contenders:
            self._attempt(contender, self._launch)
        for contender in self._scenario.contenders:
            self._attempt(contender, self._await)

    def take_turn(self, contender: Contender, level: int) -> None:
        """Measure once; level 0 is for warming up, and its figures are dropped."""

        def measure(contender: Contender) -> None:
            measurement = self._measure(contender, max(1, level))
            if level:
                self._outcome.measurements.setdefault((contender.name, level), []).append(measurement)

        self._attempt(contender, measure)

    def check_again(self) -> None:
        """Whoever answered rightly before the load must do so after it; if not, its figures are dropped."""
        for contender in self._scenario.contenders:
            if contender.name not in self._engines:
                self._attempt(contender, self._check)

    def _check(self, contender: Contender) -> None:
        check(contender.question, self._address(contender))

    def _attempt(self, contender: Contender, step: Callable[[Contender], None]) -> None:
        if contender.name in self._out:
            return
        try:
            step(contender)
        except (BenchError, OSError) as error:
            self._out.add(contender.name)
            for key in [key for key in self._outcome.measurements if key[0] == contender.name]:
                del self._outcome.measurements[key]
            self._outcome.failures.append(Failure(scenario=self._scenario.name, what=contender.name, why=str(error)))

    def _launch(self, contender: Contender) -> None:
        base = self._settings.models / contender.question.model
        version = base / models.VERSION
        if contender.program is not None and contender.program not in self._servers:
            values = {"base": str(base), "version": str(version)}
            server = Server(contender.program, values, self._settings.cores.server, self._settings.work)
            self._servers[contender.program] = self._stack.enter_context(server)
        elif contender.program is None and contender.address is None:
            engine = ModelTime(contender.alone, version, contender.question.model, self._settings.work)
            self._engines[contender.name] = self._stack.enter_context(engine)

    def _await(self, contender: Contender) -> None:
        if contender.name in self._engines:
            return
        if contender.program is None:
            length = check(contender.question, self._address(contender))
        else:
            server = self._servers[contender.program]
            length = await_answer(contender.question, self._address(contender), server.check_alive)
            if self._scenario.exact:
                server.await_tried()
        self._answer_bytes[contender.name] = length
        body = contender.question.body()
        self._body_file(contender).write_bytes(framed(body) if contender.question.form is Form.GRPC else body)

    def _measure(self, contender: Contender, level: int) -> Measurement:
        if contender.name in self._engines:
            return self._engines[contender.name].measure(TURN_SECONDS)
        address = self._address(contender)
        core = self._settings.cores.load if self._scenario.one_core else None
        before = self._clock(contender, address)
        turn = load.Load(
            url=contender.question.url(address),
            body=self._body_file(contender),
            form=contender.question.form,
            answer_bytes=self._answer_bytes[contender.name],
            concurrency=level,
            seconds=TURN_SECONDS,
            exact=self._scenario.exact,
            prefix=pinned(core),
        )
        try:
            measurement = load.run(turn)
        except NothingAnsweredError:
            measurement = load.run(replace(turn, seconds=PATIENT_SECONDS))
        after = self._clock(contender, address)
        if self._scenario.exact:
            # Calls that were cut off go on in the server; whoever is next must not share the cores with them.
            check(contender.question, address)
        if before is None or after is None:
            return measurement
        if after.calls == before.calls:
            raise BenchError("the server did not say how long the model took")
        return replace(measurement, model_ms=(after.seconds - before.seconds) / (after.calls - before.calls) * 1e3)

    def _clock(self, contender: Contender, address: Address) -> ModelClock | None:
        program = contender.program
        watched = program is not None and "--monitoring_config_file={monitoring}" in program.arguments
        return model_clock(address) if watched else None

    def _address(self, contender: Contender) -> Address:
        if contender.program is None:
            assert contender.address is not None
            return contender.address
        return self._servers[contender.program].address

    def _body_file(self, contender: Contender) -> Path:
        question = contender.question
        return self._settings.work / f"{question.model}-{question.name}.{question.form.name.lower()}"


def rows(scenario: Scenario, measurements: Mapping[Key, Sequence[Measurement]]) -> Iterator[Row]:
    """The lines of the table, for every comparison of which both sides were measured."""
    for comparison in scenario.comparisons:
        for level in comparison.levels or scenario.levels:
            ours = measurements.get((comparison.ours, level))
            baseline = measurements.get((comparison.baseline, comparison.baseline_level or level))
            if ours and (baseline or not comparison.baseline):
                yield _row(scenario, comparison, level, ours, baseline or ())


def _row(
    scenario: Scenario,
    comparison: Comparison,
    level: int,
    ours: Sequence[Measurement],
    baseline: Sequence[Measurement],
) -> Row:
    quantity = comparison.quantity
    names = Names(
        scenario=scenario.title,
        load=f"{scenario.unit} {level}",
        unit=quantity.value,
        ours=comparison.ours,
        baseline=comparison.baseline,
    )
    values = [quantity.of(each) for each in ours]
    return row(names, values, [quantity.of(each) for each in baseline], comparison.figure, comparison.target)
