"""All checks together: none keeps another from its row, and what a start tells is the failing part of them."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from serving.configuration.session_config import Sessions
from serving.core.version_policy import All
from serving.doctor.examination import Examination, of_failed_start, of_failed_version, of_waiting
from serving.doctor.finding import Finding, Level
from serving.settings import Settings
from tests.unit.doctor.rows import fill, model, only


def test_check_that_stumbles() -> None:
    """It is a row that fails, and the next one is made all the same."""
    examination = Examination(Settings(), 2)

    def stumble() -> Iterable[Finding]:
        raise ZeroDivisionError("by nought")

    examination.check("sums", stumble)
    examination.check("more", lambda: [Finding(level=Level.OK, what="more", found="here")])
    assert only(examination.findings).sentence == (
        "sums: the check itself failed: ZeroDivisionError: by nought. Please report it."
    )
    assert only(examination.findings, Level.OK).what == "more"


def test_failed_start(tmp_path: Path) -> None:
    """Only what fails, of flags, files, ports and models alike."""
    base = fill(tmp_path / "m", "model.keras")
    settings = Settings(
        model_base_path=str(base), port=-1, grpc_transport="carrier", grpc_channel_arguments="a", ssl_config_file="/no"
    )
    found = of_failed_start(settings, 2)
    assert {each.level for each in found} == {Level.FAILS}
    assert [each.what for each in found] == [
        "--grpc_transport",
        "--grpc_channel_arguments",
        "--ssl_config_file=/no",
        "model default",
    ]


def test_platforms(tmp_path: Path) -> None:
    """A platform that the server lacks, in the model's configuration or because of that of the platforms."""
    fill(tmp_path / "m", "1/saved_model.pb")
    config = 'model_config_list { config { name: "m" base_path: "%s" model_platform: "%s" } }'
    (tmp_path / "c").write_text(config % (tmp_path / "m", "foo"))
    row = of_failed_start(Settings(model_config_file=str(tmp_path / "c"), port=-1), 2)[0]
    assert (row.found, row.advice) == (
        "Model m requests unsupported platform foo",
        'Write model_platform: "tensorflow"',
    )
    (tmp_path / "p").write_text('platform_configs { key: "other" value { } }')
    settings = Settings(
        model_base_path=str(tmp_path / "m"), model_name="m", platform_config_file=str(tmp_path / "p"), port=-1
    )
    assert of_failed_start(settings, 2)[0].found == "Model m requests unsupported platform tensorflow"


def test_start_that_waits(tmp_path: Path) -> None:
    """Of models whose names are given, the files; not of others, and no ports."""
    (tmp_path / "c").write_text(
        "model_config_list {"
        + "".join(
            f'config {{ name: "{name}" base_path: "{tmp_path}/{name}" model_platform: "tensorflow" }}' for name in "ab"
        )
        + "}"
    )
    settings = Settings(model_config_file=str(tmp_path / "c"), port=0)
    assert only(of_waiting(settings, 2, frozenset("b"))).what == "model b"


def test_model_in_order_gives_no_line(tmp_path: Path) -> None:
    """One that is merely slow to load."""
    fill(tmp_path / "m", "1/saved_model.pb")
    settings = Settings(model_base_path=str(tmp_path / "m"))
    assert of_waiting(settings, 2, frozenset({"default"})) == []


SESSIONS = Sessions(settings=Settings(), config=None)


def test_failed_version(tmp_path: Path) -> None:
    """Of one version beside others: its files, and what they are if they can be read; nothing once it is gone."""
    base = fill(tmp_path / "m", "1/other", "2/saved_model.pb", "2/variables/variables.index")
    configured = model(base, All()).model
    assert "variables.data-00000-of-00001 is missing" in only(of_failed_version(configured, 2, SESSIONS)).found
    shutil.rmtree(base / "2" / "variables")
    assert "cannot be parsed" in only(of_failed_version(configured, 2, SESSIONS)).found
    shutil.rmtree(base / "2")
    assert of_failed_version(configured, 2, SESSIONS) == []


def test_large_graph_of_a_failed_version(tmp_path: Path) -> None:
    """It is left alone, for parsing it would hold up requests."""
    base = fill(tmp_path / "m", "1/saved_model.pb")
    os.truncate(base / "1" / "saved_model.pb", 2**25)
    assert of_failed_version(model(base).model, 1, SESSIONS) == []
