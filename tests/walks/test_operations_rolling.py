"""The page examples/operations/rolling: a new version under traffic, by the lines that its script wrote down."""

import csv
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.server_process import ServerProcess
from tests.walks.walk import EXAMPLES, Walk

pytestmark = pytest.mark.timeout(300)

TRAFFIC = EXAMPLES / "operations" / "rolling" / "traffic.py"

Row = Mapping[str, str]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Walk("operations/rolling", tmp_path_factory.mktemp("rolling")) as walk:
        walk.run()
        yield walk


@pytest.fixture(scope="module")
def out(walk: Walk) -> Path:
    """What the traffic left."""
    return walk.directory / "models" / "rolling.traffic"


@pytest.fixture(scope="module")
def rows(out: Path) -> Sequence[Row]:
    """One row for each request."""
    with (out / "requests.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def of(rows: Sequence[Row], version: str) -> list[Row]:
    return [row for row in rows if row["version"] == version]


def test_no_request_failed(rows: Sequence[Row]) -> None:
    """Every request was answered."""
    assert [row["error"] for row in rows if row["error"]] == []


def test_both_versions_answered(rows: Sequence[Row]) -> None:
    """Version 1 answered before version 2 came, and version 2 as often as the traffic waits for."""
    assert len(of(rows, "1")) > 0
    assert len(of(rows, "2")) >= 400
    assert len(rows) == len(of(rows, "1")) + len(of(rows, "2"))


def test_answers_are_those_of_the_version(rows: Sequence[Row]) -> None:
    """The version that an answer names is the one that computed it: half plus two, or half plus three."""
    assert {(row["version"], float(row["y"])) for row in rows} == {("1", 2.5), ("2", 3.5)}


def test_old_version_does_not_come_back(rows: Sequence[Row]) -> None:
    """What is sent after the first answer of version 2 is answered by version 2."""
    first = min(float(row["received"]) for row in of(rows, "2"))
    assert [row for row in of(rows, "1") if float(row["sent"]) > first] == []


def test_counts_are_printed(walk: Walk, rows: Sequence[Row]) -> None:
    """What is printed is what was written down."""
    assert walk.output("traffic.py").endswith(
        f"version 1: {len(of(rows, '1'))} answers\n"
        f"version 2: {len(of(rows, '2'))} answers\n"
        "failed: 0\n"
        "sent after the first answer of a newer version, and answered by an older one: 0\n"
    )


def test_plot_names_both_versions(out: Path) -> None:
    """The plot is an SVG with an entry for each version."""
    text = (out / "versions.svg").read_text()
    assert all(f"<!-- version {version} -->" in text for version in (1, 2))


def test_old_version_goes_after_the_new_one_came(walk: Walk) -> None:
    """Version 1 is available until version 2 is, and then unloaded."""
    walk.server.wait_for(r"Done unloading servable version \{name: rolling version: 1\}")
    log = "".join(walk.server.output)
    came = log.index("Successfully loaded servable version {name: rolling version: 2}")
    assert came < log.index("Quiescing servable version {name: rolling version: 1}")


def test_errors_are_named(models: Path, tmp_path: Path) -> None:
    """Requests that fail are counted by their error; this model has not the signature that is asked for."""
    with ServerProcess(["--model_name=rolling", f"--model_base_path={models / 'counter'}"]) as server:
        flags = [f"--server=localhost:{server.grpc_port}", f"--out={tmp_path}", "--limit_seconds=0.5"]
        done = subprocess.run([sys.executable, str(TRAFFIC), *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    found = re.search(
        r"^failed: (\d+)\n  (\d+) times FAILED_PRECONDITION: Serving signature", done.stdout, re.MULTILINE
    )
    assert found, done.stdout
    assert found[1] == found[2] != "0"


def test_traffic_ends_without_a_new_version(walk: Walk) -> None:
    """A version that never comes is an error after the limit, not a wait for ever."""
    output = walk.shell(
        "! python examples/operations/rolling/traffic.py --server=localhost:8500 --out=models/never "
        "--until_version=3 --limit_seconds=0.5"
    )
    assert "error: too few answers of version 3 in time" in output
