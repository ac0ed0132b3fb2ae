"""Two workers whose models change: in both or in none, whichever is asked, and for those that start later."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.doors.clients import RefusedError
from tests.server.workers.changing import BODY, THREE, TWO, Changing, changing, model_list
from tests.support.server_process import wait_until

LOAD, UNLOAD = "/v2/repository/models/{}/load", "/v2/repository/models/{}/unload"


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changing]:
    """Two workers; each test begins and ends with half_plus_three alone."""
    with changing(models, tmp_path_factory.mktemp("changing"), "--file_system_poll_wait_seconds=1") as made:
        yield made


def test_reload_is_made_by_both(server: Changing) -> None:
    """A new model answers from both workers once the reload has returned, and one left out from none."""
    server.reload(server.entry("half_plus_two"))
    assert server.answers("half_plus_two") == [TWO, TWO]
    assert server.states("half_plus_two") == [{"1": "AVAILABLE"}] * 2
    wait_until("the other is gone", lambda: server.answers("half_plus_three") == [404, 404])
    server.reload(server.entry("half_plus_three"))
    assert server.answers("half_plus_three") == [THREE, THREE]


def test_refused_reload_changes_nothing(server: Changing) -> None:
    """A label for what is not there is refused as in one process, and the model beside it is in neither."""
    with pytest.raises(RefusedError) as refused:
        server.reload(
            server.entry("half_plus_three", more='version_labels { key: "x" value: 9 }'), server.entry("half_plus_two")
        )
    assert refused.value.code == "FAILED_PRECONDITION"
    assert refused.value.text == (
        "Request to assign label to version 9 of model half_plus_three, which is not currently available for inference"
    )
    assert server.answers("half_plus_two") == [404, 404]
    assert server.answers("half_plus_three") == [THREE, THREE]


def test_new_model_that_fails(server: Changing) -> None:
    """It is told, and the list is in effect."""
    with pytest.raises(RefusedError) as refused:
        server.reload(server.entry("half_plus_three"), server.entry("broken"))
    assert refused.value.code == "UNKNOWN"
    assert refused.value.text.startswith(
        "1 model(s) did not become available: {{{name: broken version: 1} due to error"
    )
    assert [states["1"] for states in server.states("broken")] == ["END", "END"]
    assert server.answers("half_plus_three") == [THREE, THREE]
    server.reload(server.entry("half_plus_three"))


def labelled(server: Changing) -> list[float | int]:
    """What each worker predicts with the label ``stable``, or the status of its refusal."""
    answers = server.server.of_each("POST", "/v1/models/half_plus_three/labels/stable:predict", BODY)
    return [json.loads(body)["predictions"][0] if status == 200 else status for status, body in answers.values()]


def test_label_is_moved_in_both(server: Changing) -> None:
    """A label that one worker is asked to set is there in both; one that is refused changes nothing."""
    assert server.post("/v1/models/half_plus_three/labels/stable", {"version": 1})[0] == 200
    assert labelled(server) == [THREE, THREE]
    status, text = server.post("/v1/models/half_plus_three/labels/stable", {"version": 7})
    assert (status, "which is not currently available for inference" in text) == (400, True), text
    assert labelled(server) == [THREE, THREE]
    server.reload(server.entry("half_plus_three"))
    assert labelled(server) == [400, 400]


def test_single_model_in_both(server: Changing) -> None:
    """Loaded by one request, it answers from both; unloaded, from none."""
    assert server.post(LOAD.format("half_plus_two"))[0] == 200
    assert server.answers("half_plus_two") == [TWO, TWO]
    assert server.post(UNLOAD.format("half_plus_two"))[0] == 200
    assert server.answers("half_plus_two") == [404, 404]


def test_single_model_that_fails(server: Changing) -> None:
    """It is in neither afterwards, and the error is told."""
    status, text = server.post(LOAD.format("broken"))
    assert status == 400, text
    assert "did not become available" in text
    indexes = server.server.of_each("POST", "/v2/repository/index", b"{}")
    for _, body in indexes.values():
        assert {each["name"]: each["state"] for each in json.loads(body)}["broken"] == "UNAVAILABLE"
    assert server.post(UNLOAD.format("broken"))[0] == 404


def test_client_that_goes_away(server: Changing) -> None:
    """Its wait ends, and the change stays; another reload is not held up by it."""
    (server.directory / "empty").mkdir(exist_ok=True)
    with pytest.raises(RefusedError) as refused:
        server.reload(server.entry("half_plus_three"), server.entry("empty"), timeout=1.0)
    assert refused.value.code == "DEADLINE_EXCEEDED"
    server.reload(server.entry("half_plus_three"))
    assert server.answers("half_plus_three") == [THREE, THREE]


def test_worker_that_starts_later(server: Changing, models: Path) -> None:
    """It begins with the list in effect, not with that of a file which cannot be read by now.

    Labels have been moved since then, one model loaded, one unloaded, and one has failed.
    """
    server.put(models / "half_plus_three" / "1", "second/1")
    with pytest.raises(RefusedError):
        server.reload(server.entry("half_plus_three"), server.entry("second"), server.entry("broken"))
    assert server.post("/v1/models/half_plus_three/labels/stable", {"version": 1})[0] == 200
    assert server.post(LOAD.format("half_plus_two"))[0] == 200
    assert server.post(UNLOAD.format("second"))[0] == 200
    server.config.write_text("nonsense {")
    server.server.kill_worker_and_wait(0)
    assert server.answers("half_plus_three") == [THREE, THREE]
    assert labelled(server) == [THREE, THREE]
    assert server.answers("half_plus_two") == [TWO, TWO]
    assert server.answers("second") == [404, 404]
    server.reload(server.entry("half_plus_three"))


def test_file_is_followed_for_both(models: Path, tmp_path: Path) -> None:
    """One worker reads the file; the other changes with it, and reads it when the first is gone."""
    flags = ("--model_config_file_poll_wait_seconds=1", "--file_system_poll_wait_seconds=1")
    with changing(models, tmp_path, *flags) as server:
        server.config.write_text(model_list(tmp_path, "half_plus_three", "half_plus_two"))
        wait_until("both have it", lambda: server.answers("half_plus_two") == [TWO, TWO])
        server.server.kill_worker(0)
        server.config.write_text(model_list(tmp_path, "half_plus_two"))
        again = "Worker 0 serves again"
        wait_until(again, lambda: any(again in line for line in server.server.output))
        wait_until("neither has it", lambda: server.answers("half_plus_three") == [404, 404])
        lines = [line for line in server.server.output if "Adding model" in line and "half_plus_two" in line]
        assert len(lines) <= 2, lines
