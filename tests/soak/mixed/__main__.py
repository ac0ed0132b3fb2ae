"""A mixed load on both doors while versions, labels and models change: ``python -m tests.soak.mixed --seconds=600``.

Prints calls, errors, times, memory, threads and descriptors as it goes and as a table, and draws them. Ends with 1 if
anything came that was not expected, or if what the server holds grew beyond its bounds.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.soak.mixed.figures import draw
from tests.soak.mixed.run import soak

_MAKE_MODELS = Path(__file__).parents[2] / "parity" / "make_models.py"


def main(arguments: list[str] | None = None) -> int:
    """What the module says."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.mixed", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--plot", type=Path, default=Path(".soak/mixed.svg"), help="where it is drawn (%(default)s)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        subprocess.run([sys.executable, str(_MAKE_MODELS), str(models)], check=True, capture_output=True)
        soaked = soak(models, Path(folder), given.seconds, lambda line: print(line, flush=True))
    draw(soaked.samples, given.plot)
    print(f"\n{soaked}\ndrawn in {given.plot}")
    for each in soaked.wrong:
        print(f"WRONG: {each}")
    return int(bool(soaked.wrong))


if __name__ == "__main__":
    sys.exit(main())
