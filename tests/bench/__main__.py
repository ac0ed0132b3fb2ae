"""`python -m tests.bench`: runs the scenarios, prints how far it is, and writes the report; `make bench` calls it."""

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import duel, life, load, machine, models, plots, report
from tests.bench.asking import Address
from tests.bench.engines.figures import CELLS
from tests.bench.engines.scenario import engines, engines_seconds
from tests.bench.keras_inputs import INPUTS
from tests.bench.progress import Progress, clock
from tests.bench.results import BenchError, Failure, Outcome
from tests.bench.scenarios import TABLES, Scenario, beside
from tests.bench.servers import ROOT, Cores
from tests.bench.settings import DEFAULT_BASELINE, Engines, Settings
from tests.bench.stall.kinds import KINDS
from tests.bench.stall.scenario import MODELS, stall, stall_seconds
from tests.bench.workers import workers, workers_seconds

LIVES = {
    "start": (life.start, life.start_seconds),
    "versions": (life.versions, life.versions_seconds),
    "stall": (stall, stall_seconds),
    "engines": (engines, engines_seconds),
    "workers": (workers, workers_seconds),
}
WHOLE = (*TABLES, "start", "versions")
"""What is done if nothing is named: not `workers`, nor `stall` and `engines`, which take longer than all the others."""

SMOKE = ("rest", "grpc", "batching", "start", "engines")
"""What the smoke run does: everything that needs no large model, and of `engines` the smallest."""


_SMOKE_STALL_SECONDS = 2.0
_SMOKE_ENGINES = Engines(rounds=2, turn_seconds=0.2, models=("mlp4x512",))
_CELLS = {f"{cell.rows}x{cell.clients}": cell for cell in CELLS}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=[*TABLES, *LIVES], help="this scenario; may be repeated")
    parser.add_argument("--smoke", action="store_true", help="a minute of it, to see that it works")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of load in `stall` (default: %(default)g)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="in `stall` only this; may be repeated")
    engines = parser.add_argument_group("of `engines`")
    engines.add_argument("--engine-rounds", type=int, default=30, help="rounds of it (default: %(default)s)")
    engines.add_argument("--turn-seconds", type=float, default=1.0, help="about; of it (default: %(default)g)")
    engines.add_argument("--engine-model", action="append", choices=INPUTS, help="only this; may be repeated")
    engines.add_argument("--cell", action="append", choices=_CELLS, help="rows x clients, only this; may be repeated")
    engines.add_argument("--ours", default="", metavar="FLAGS", help="of our server (default: none)")
    baseline = shlex.join(DEFAULT_BASELINE)
    engines.add_argument("--baseline", default=baseline, metavar="FLAGS", help="of the other (default: %(default)s)")
    parser.add_argument("--changes", type=int, default=7, help="version changes in `versions` (default: %(default)s)")
    parser.add_argument(
        "--rest", default="", metavar="URL", help="a running server to measure as well: http://host:port"
    )
    parser.add_argument("--grpc", default="", metavar="ADDRESS", help="the same over gRPC: host:port")
    parser.add_argument("--model", default="half_plus_two", metavar="NAME", help="what it calls half_plus_two")
    parser.add_argument("--models", type=Path, default=ROOT / ".bench" / "models", help="cache of the models")
    parser.add_argument("--out", type=Path, help="directory of benchmarks.md; docs for a whole run, else .bench/report")
    return parser


def main(arguments: Sequence[str]) -> int:
    """0, or 1 with a sentence if something could not be measured; a missed target is no failure."""
    options = parser().parse_args(arguments)
    whole = not (options.only or options.smoke or options.rest or options.grpc)
    out: Path = options.out or (ROOT / "docs" if whole else ROOT / ".bench" / "report")
    command = " ".join(["python -m tests.bench", *arguments]) if arguments else "make bench"
    names = chosen(options)
    try:
        if names != ["stall"]:
            load.check_tools()
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            settings = Settings(
                rounds=1 if options.smoke else options.rounds,
                changes=options.changes,
                cores=Cores.found(),
                models=options.models.absolute(),
                work=Path(work),
                stall_seconds=_SMOKE_STALL_SECONDS if options.smoke else options.seconds,
                stall_kinds=tuple(options.kind or ()),
                engines=_SMOKE_ENGINES if options.smoke else engines_settings(options),
            )
            failures = measure(settings, names, tables(options), out, command)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    for each in failures:
        print(f"not measured: {each.scenario}, {each.what}: {each.why}", file=sys.stderr)
    print(f"Report: {out / 'benchmarks.md'}")
    return 1 if failures else 0


def engines_settings(options: argparse.Namespace) -> Engines:
    """How `engines` is run, as the command line says it."""
    return Engines(
        rounds=options.engine_rounds,
        turn_seconds=options.turn_seconds,
        models=tuple(options.engine_model or INPUTS),
        cells=tuple(_CELLS[name] for name in options.cell or _CELLS),
        baseline=tuple(shlex.split(options.baseline)),
        ours=tuple(shlex.split(options.ours)),
    )


def chosen(options: argparse.Namespace) -> list[str]:
    """The names of the scenarios to run, in the order of the run."""
    wanted = options.only or (SMOKE if options.smoke else WHOLE)
    return [name for name in [*TABLES, *LIVES] if name in wanted]


def tables(options: argparse.Namespace) -> dict[str, Scenario]:
    """Every table of loads by its name, with the running server in those that it can take part in."""
    address = Address(rest=options.rest.rstrip("/"), grpc=options.grpc)
    made = {name: beside(table(), address, options.model) for name, table in TABLES.items()}
    return {name: shortened(table) for name, table in made.items()} if options.smoke else made


def shortened(scenario: Scenario) -> Scenario:
    """The same with the last level only."""
    return replace(scenario, levels=scenario.levels[-1:])


def measure(
    settings: Settings, names: Sequence[str], scenarios: Mapping[str, Scenario], out: Path, command: str
) -> list[Failure]:
    """Run the scenarios, write the report into ``out``, and return what could not be measured."""
    facts, began = machine.description(settings.cores), time.monotonic()
    planned = {name: seconds(settings) for name, (_, seconds) in LIVES.items()}
    planned |= {name: duel.planned_seconds(scenario, settings) for name, scenario in scenarios.items()}
    progress = Progress(sum(planned[name] for name in names))
    progress.begin("writing the models, if they are not there", 0)
    models.ensure(settings.models, needed(names, scenarios, settings.engines))
    outcomes = {name: run(name, settings, scenarios, progress) for name in names}
    progress.finish()
    found = {name: (scenarios[name], outcomes[name].measurements) for name in names if name in scenarios}
    failures = [failure for outcome in outcomes.values() for failure in outcome.failures]
    ratios = [ratio for outcome in outcomes.values() for ratio in outcome.ratios]
    found_tables = [table for outcome in outcomes.values() for table in outcome.tables]
    print("\n".join(report.tables(found_tables)))
    drawn = [*plots.draw(found, out / "benchmarks"), *plots.draw_ratios(ratios, out / "benchmarks")]
    text = report.markdown(
        report.Report(
            machine=facts,
            rows=[row for outcome in outcomes.values() for row in outcome.rows],
            failures=failures,
            plots=[(title, f"benchmarks/{file}") for title, file in drawn],
            command=command,
            day=datetime.now(UTC).date().isoformat(),
            took=f"{clock(time.monotonic() - began)} minutes",
            tables=found_tables,
        )
    )
    report.insert(out / "benchmarks.md", text)
    return failures


def needed(names: Sequence[str], scenarios: Mapping[str, Scenario], engines: Engines) -> set[str]:
    """The models that the scenarios call."""
    found = {each.question.model for name in names if name in scenarios for each in scenarios[name].contenders}
    found |= MODELS if "stall" in names else set()
    found |= {*engines.models} if "engines" in names else set()
    return found | {"half_plus_two"} | ({"resnet"} if "versions" in names else set())


def run(name: str, settings: Settings, scenarios: Mapping[str, Scenario], progress: Progress) -> Outcome:
    """One scenario; what goes wrong in it is in the outcome, so that the others' figures are kept."""
    try:
        if name in LIVES:
            return LIVES[name][0](settings, progress)
        return duel.run(scenarios[name], settings, progress)
    except (BenchError, OSError) as error:
        return Outcome(failures=[Failure(scenario=name, what="all of it", why=str(error))])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
