"""What is said of a command line, argument by argument."""

import pytest

from serving.doctor.arguments import read, understood
from serving.doctor.finding import Level
from tests.unit.doctor.rows import only

CPUS = 2

UNKNOWN = [
    pytest.param(["--prot=85"], "Did you mean --port=85?", id="typo"),
    pytest.param(["--rest-api-port=85"], "Did you mean --rest_api_port=85?", id="hyphens"),
    pytest.param(["-port=85"], "Did you mean --port=85?", id="one hyphen"),
    pytest.param(["--port", "85"], "Write --port=85, with = and without a blank.", id="blank"),
    pytest.param(["--port"], "Write --port=VALUE, with = and without a blank.", id="no value"),
    pytest.param(["--enable_batchin"], "Did you mean --enable_batching?", id="typo of a switch"),
    pytest.param(["--zzzzzzz=1"], "Flags have the form --name=value; --help lists them.", id="nothing like it"),
    pytest.param(["--noenable_batching"], "Write --enable_batching=false.", id="negation"),
    pytest.param(["--rest_port=85"], "Did you mean --rest_api_port=85?", id="another server's"),
    pytest.param(["/models/m"], "Did you mean --model_base_path=/models/m?", id="directory"),
    pytest.param(["serve"], "Flags have the form --name=value; --help lists them.", id="a word"),
]


@pytest.mark.parametrize(("arguments", "advice"), UNKNOWN)
def test_unknown_argument(arguments: list[str], advice: str) -> None:
    """The server passes over it, and what was meant is said."""
    _, findings = read(arguments, CPUS)
    row = only(findings, Level.WARNING)
    assert row.what == f"argument {arguments[0]}"
    assert "passes over it" in row.found
    assert row.advice == advice


def test_value_that_cannot_be_read() -> None:
    """It fails, and all other flags are read all the same."""
    command_line, findings = read(["--port=eight", "--rest_api_port=7"], CPUS)
    assert only(findings).what == "--port"
    assert "Couldn't interpret value eight" in only(findings).found
    assert command_line.settings.rest_api_port == 7


def test_flag_without_effect() -> None:
    """What is accepted and does nothing is a warning."""
    _, findings = read(["--skip_initialize_tpu"], CPUS)
    assert "without effect" in only(findings, Level.WARNING).found


def test_end_of_the_flags() -> None:
    """Behind ``--`` there are no flags, for the server neither."""
    command_line, findings = read(["--port=7", "--", "--port=eight"], CPUS)
    assert command_line.settings.port == 7
    assert only(findings, Level.WARNING).what == "argument --"


def test_all_is_well() -> None:
    """One row for all flags."""
    command_line, findings = read(["--port=7", "--rest_api_port=8"], CPUS)
    assert only(understood(command_line, findings), Level.OK).found.startswith("2 given")
