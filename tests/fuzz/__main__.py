"""``make fuzz``: a campaign on all targets or on some, a table of what was tried, and one input tried again."""

import argparse
import sys
from pathlib import Path

from tests.fuzz import campaign, engines, targets
from tests.fuzz.campaign import Plan, Row
from tests.fuzz.target import Target
from tests.fuzz.worker import attempt, quieten

_FOUND = Path(".fuzz")


def main() -> int:
    """Run what the command line asks for; the status is 1 if a promise is broken."""
    given = _arguments()
    if given.input is not None:
        return _again(targets.named(given.target[0]), given.input)
    chosen = [target for target in targets.every() if not given.target or target.name in given.target]
    engine = given.engine or ("guided" if engines.has_guide() else "own")
    plan = Plan(
        targets=chosen,
        inputs=given.inputs,
        seconds=given.seconds,
        processes=given.processes,
        engine=engine,
        seed=given.seed,
        found=_FOUND,
    )
    return _campaign(plan)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--target", action="append", default=[], help="one target, instead of all; may come often")
    parser.add_argument("--input", type=Path, help="try the input in this file alone, which needs one --target")
    parser.add_argument("--inputs", type=int, default=0, help="how many in all; 0 is no limit")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long in all; 0 is no limit")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--engine", choices=("own", "guided"), help="atheris if it is there, by default")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    names = {target.name: target.promise for target in targets.every()}
    if not set(given.target) <= set(names):
        parser.error("the targets are:\n" + "\n".join(f"  {name}: {promise}" for name, promise in names.items()))
    if given.input is not None and len(given.target) != 1:
        parser.error("--input needs one --target")
    if not (given.input or given.inputs or given.seconds):
        parser.error("--inputs or --seconds is needed")
    return given


def _again(target: Target, path: Path) -> int:
    quieten()
    print(f"{target.name}: {target.promise}")
    print("valid" if attempt(target, path.read_bytes()) else "refused")
    return 0


def _campaign(plan: Plan) -> int:
    print(f"engine {plan.engine}, seed {plan.seed}, {plan.processes} processes")
    print(f"{'target':28} {'tried':>10} {'valid':>10} {'share':>6} {'seconds':>8}")
    rows = []
    for row, last_lines in campaign.run(plan):
        rows.append(row)
        print(_line(row), flush=True)
        if row.broken is not None:
            print(f"\n{last_lines}\nBROKEN: {row.target}, by the input in {row.broken}; again with")
            print(f"  {sys.executable} -m tests.fuzz --target={row.target} --input={row.broken}")
    total = Row(
        target="all",
        tried=sum(row.tried for row in rows),
        valid=sum(row.valid for row in rows),
        seconds=sum(row.seconds for row in rows),
    )
    print(_line(total))
    broken = sum(row.broken is not None for row in rows)
    print(f"{len(rows) - broken} passed, {broken} failed")
    return 1 if broken else 0


def _line(row: Row) -> str:
    share = f"{row.valid / row.tried:.0%}" if row.tried else "-"
    return f"{row.target:28} {row.tried:>10} {row.valid:>10} {share:>6} {row.seconds:>8.1f}"


if __name__ == "__main__":
    sys.exit(main())
