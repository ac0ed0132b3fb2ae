"""The command ``plan``: against real servers, and from what it measured before."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.server.client.terminal import run
from tests.support.server_process import ServerProcess

WISH = ("--p99", "10s", "--rate", "20000", "--seconds", "1", "--cores", "16")


@pytest.fixture(scope="module")
def printed(served: ServerProcess) -> str:
    """What --json prints of half_plus_three, with the server's CPU time."""
    where = ("--url", f"localhost:{served.grpc_port}", "--rest", f"localhost:{served.rest_port}")
    return run("plan", *where, "--model", "half_plus_three", *WISH, "--json")


@pytest.fixture(scope="module")
def kept(printed: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That in a file."""
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    file.write_text(printed)
    return file


def test_a_plan_as_json(printed: str) -> None:
    """The wish, the plan and what was measured; enough workers for the rate, by what one of them answers."""
    found = json.loads(printed)
    assert found["model"] == "half_plus_three version 1"
    assert (found["wish"]["rate"], found["wish"]["p99"], found["wish"]["cores"]) == (20_000, 10, 16)
    made, measured = found["plan"], found["measurement"]
    assert made["workers"] * made["per_worker"] == pytest.approx(20_000)
    assert 0 < made["p50"] <= made["p99"] <= 10
    assert made["workers"] <= made["machines"] * made["workers_per_machine"]
    assert {each["name"] for each in made["limits"]} == {"worker", "p99", "cpu", "network", "balancer"}
    assert (measured["request_bytes"], measured["answer_bytes"]) == (4, 4)
    assert measured["levels"][0]["concurrency"] == 1
    assert all(level["server_cores"] > 0 for level in measured["levels"][1:])


def test_a_plan_from_what_was_measured(printed: str, kept: Path) -> None:
    """The same figures without a server, and others for another wish."""
    again = json.loads(run("plan", "--measured", str(kept), *WISH, "--json"))
    assert again["plan"]["workers"] == json.loads(printed)["plan"]["workers"]
    twice = json.loads(run("plan", "--measured", str(kept), *WISH, "--json", "--rate", "40000"))
    assert twice["plan"]["workers"] == pytest.approx(2 * again["plan"]["workers"], abs=1)


def test_a_plan_in_words(kept: Path) -> None:
    """A table, what to do, and the limits in their order."""
    text = run("plan", "--measured", str(kept), *WISH)
    lines = text.splitlines()
    assert lines[0] == "half_plus_three version 1: 20,000 requests per second, p99 within 1e+04 ms"
    assert lines[1].split()[:4] == ["MACHINES", "SPARE", "CORES", "WORKERS"]
    assert "--workers=auto" in text
    begin = next(index for index, line in enumerate(lines) if line.startswith("USED"))
    shares = [int(line.split("%")[0]) for line in lines[begin:] if line[:1].isdigit()]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)


def test_a_p99_that_cannot_be(kept: Path) -> None:
    """A sentence with the p99 of an idle server."""
    text = run("plan", "--measured", str(kept), "--p99", "1us", "--rate", "1", code=1)
    assert text.startswith("serving-client: A p99 of 0.001 ms is out of reach, however many servers there")
    assert "on an idle server the p99 is" in text.replace("\n", " ")


def test_a_model_has_to_be_named_among_several(at: Mapping[str, str]) -> None:
    """The names are told."""
    text = run("plan", *WISH, env=at, code=1)
    assert "Which model? The server has" in text
    assert "half_plus_three" in text


def test_the_only_model_needs_no_name(models: Path) -> None:
    """And the model of a file of inputs is asked with them."""
    with ServerProcess(("--model_name=only", f"--model_base_path={models / 'half_plus_three'}")) as server:
        given = ("--server", f"localhost:{server.grpc_port}", "--data", "-", "--cast")
        found = json.loads(run("plan", *given, *WISH, "--json", data=b'{"instances": [1, 2, 3]}'))
    assert found["model"] == "only version 1"
    assert found["measurement"]["request_bytes"] == 12
    assert all(level["server_cores"] is None for level in found["measurement"]["levels"])


@pytest.mark.parametrize(
    ("given", "expected", "code"),
    [
        pytest.param(("--p99", "50", "--rate", "1"), "a time with its unit", 2, id="no unit"),
        pytest.param(("--p99", "0ms", "--rate", "1"), "a time with its unit", 2, id="no time"),
        pytest.param(("--p99", "50ms", "--rate", "0"), "a number over 0", 2, id="no rate"),
        pytest.param(("--p99", "50ms", "--rate", "nan"), "a number over 0", 2, id="no number"),
        pytest.param(("--p99", "50ms", "--rate", "1", "--utilisation", "1"), "a share between 0 and 1", 2, id="all"),
        pytest.param(("--p99", "50ms", "--rate", "1", "--spare", "-1"), "a number from 0", 2, id="spare"),
        pytest.param(("--p99", "50ms"), "--rate", 2, id="missing"),
        pytest.param(("half_plus_three", *WISH, "--measured", "/nowhere"), "cannot be read", 1, id="no file"),
        pytest.param(("half_plus_three", *WISH, "--measured", __file__), "expected what", 1, id="another file"),
        pytest.param(("nobody", *WISH), "nobody", 1, id="no such model"),
    ],
)
def test_wrong_wishes(at: Mapping[str, str], given: tuple[str, ...], expected: str, code: int) -> None:
    """Each with a sentence."""
    assert expected in run("plan", *given, env=at, code=code).replace("\n", " ")


def test_a_model_that_refuses_what_is_made_up(at: Mapping[str, str]) -> None:
    """The request's error, and what to give instead."""
    text: Any = run("plan", "classifier", "--signature", "serving_default", *WISH, env=at, code=1)
    assert "--input" in text
