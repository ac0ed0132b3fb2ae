"""Many stops of servers under load, some side by side: ``python -m tests.soak --stops=1000``.

What is finished is kept in a file, a line a stop, and not done again: the run can be ended and goes on where it was.
For another version of the server take another folder, or remove it. Ends with 0 if all was done and nothing was lost.
"""

import argparse
import json
import multiprocessing
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from tests.soak.clients import Outcome
from tests.soak.stops import KINDS, Stop, stop

_MAKE_MODELS = Path(__file__).parents[1] / "parity" / "make_models.py"
_MODEL = "half_plus_three"


def main(arguments: list[str] | None = None) -> int:
    """What the module says."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--stops", type=int, default=1000, help="how many in all, those of earlier runs included")
    parser.add_argument("--jobs", type=int, default=2, help="servers side by side")
    parser.add_argument("--folder", type=Path, default=Path(".soak"), help="where the model and what is done are kept")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which of %(default)s")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    done = list(_read(given.folder / "stops.jsonl"))
    finished = {each.number for each in done}
    kinds = given.kinds.split(",")
    numbers = [
        number for number in range(given.stops) if number not in finished and KINDS[number % len(KINDS)] in kinds
    ]
    with (given.folder / "stops.jsonl").open("a") as file:
        for each in _stops(numbers, _model(given.folder), given.jobs):
            file.write(json.dumps(asdict(each)) + "\n")
            file.flush()
            done.append(each)
            print(f"{len(done)} of {given.stops}: {_line(each)}", flush=True)
    print(table(done))
    failed = any(each.outcomes.get(Outcome.LOST.value) or each.status for each in done)
    return int(failed or not set(numbers).issubset(each.number for each in done))


def _read(path: Path) -> Iterator[Stop]:
    if path.exists():
        for line in path.read_text().splitlines():
            yield Stop(**json.loads(line))


def _model(folder: Path) -> Path:
    models = folder.resolve() / "models"
    if not (models / _MODEL).is_dir():
        subprocess.run([sys.executable, str(_MAKE_MODELS), str(models)], check=True, capture_output=True)
    return models / _MODEL


def _stops(numbers: Iterable[int], model: Path, jobs: int) -> Iterator[Stop]:
    # Processes of their own, not forked: gRPC's threads do not survive that.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as workers:
        running = [workers.submit(stop, number, model) for number in numbers]
        try:
            for each in as_completed(running):
                if (error := each.exception()) is not None:  # the machine was too slow, for instance
                    print(
                        f"a stop could not be made, the next run tries it again: {error}", file=sys.stderr, flush=True
                    )
                else:
                    yield each.result()
        finally:
            workers.shutdown(wait=True, cancel_futures=True)


def _line(each: Stop) -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(each.outcomes.items()))
    return f"stop {each.number}, {each.kind}, {each.clients} clients, status {each.status}: {counts} {each.lost or ''}"


def table(done: Iterable[Stop]) -> str:
    """What came of all stops, a row for each kind, and the reasons of losses."""
    done = list(done)
    outcomes = [outcome.value for outcome in Outcome]
    rows = [["kind", "stops", *outcomes, "statuses"]]
    for kind in (*KINDS, "all"):
        chosen = [each for each in done if kind in (each.kind, "all")]
        counts = [sum(each.outcomes.get(outcome, 0) for each in chosen) for outcome in outcomes]
        statuses = Counter(each.status for each in chosen)
        shown = " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))
        rows.append([kind, str(len(chosen)), *map(str, counts), shown])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lost = sum((Counter({(each.kind, why): count for why, count in each.lost.items()}) for each in done), Counter())
    text += [f"lost, {kind}: {count} times {why}" for (kind, why), count in lost.most_common(20)]
    return "\n".join(text)


if __name__ == "__main__":
    sys.exit(main())
