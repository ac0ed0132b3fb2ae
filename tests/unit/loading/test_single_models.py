"""One model loaded and unloaded by request: where it is found, what is waited for, how long it lasts."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.configuration.model_config import ModelConfig
from serving.core.servable import State
from serving.core.version_policy import All, Latest, Specific
from serving.errors import Code, ServingError
from tests.support import TIMEOUT_SECONDS
from tests.support.server_process import wait_until
from tests.unit.loading.house import House
from tests.unit.loading.single import Single


def test_a_directory_beside_is_loaded(single: Single) -> None:
    """The call returns when it answers; the others are left alone."""
    single.load("b")
    assert single.available("b") == (1,)
    assert single.house.models.names == ("a", "b")
    assert single.house.watch.states(1, "a") == [State.START, State.LOADING, State.AVAILABLE]


def test_a_model_that_is_to_be_new(single: Single) -> None:
    """One that is there is an error, wherever it is loaded from, and is left as it is."""
    single.load("b", new=True)
    assert single.refusal("b", new=True) == (
        Code.ALREADY_EXISTS,
        "Model b is loaded already, or being loaded",
    )
    assert single.available("b") == (1,)
    paths = single.models.base_paths()
    assert {name: path.rpartition("/")[2] for name, path in paths.items()} == {"a": "a", "b": "b"}


def test_the_newest_version_is_the_default(single: Single) -> None:
    """As for every model without a policy; a policy may be given."""
    single.house.make("d", 1, 2, 3)
    single.load("d")
    assert single.available("d") == (3,)
    single.load("d", policy=Latest(num_versions=2))
    assert single.available("d") == (3, 2)
    single.load("d", policy=Specific(versions=frozenset((1,))))
    single.house.watch.wait_for(State.END, 3, "d")
    assert single.available("d") == (1,)


def test_a_new_version_is_found_at_once(single: Single) -> None:
    """To load what is loaded is to look again, whatever the base paths are polled at."""
    single.house.make("a", 5)
    single.load("a")
    assert single.available("a") == (5, 2, 1)


def test_what_has_failed_is_tried_again(single: Single) -> None:
    """Somebody has repaired the model and says so."""
    single.house.make("a", 3)
    single.house.broken.add("a")
    code, text = single.refusal("a")
    assert code is Code.FAILED_PRECONDITION
    assert text.endswith("{name: a version: 3} due to error: DATA_LOSS: no model; version 2, 1 answers as before")
    assert single.house.models.names == ("a",)
    single.house.broken.clear()
    single.load("a")
    assert single.available("a") == (3, 2, 1)


def test_a_new_model_that_fails_is_not_kept(single: Single) -> None:
    """The error is the answer, what is known of the version stays, and the list is as before."""
    single.house.broken.add("b")
    code, text = single.refusal("b")
    assert code is Code.FAILED_PRECONDITION
    assert text == "Model b did not become available: {name: b version: 1} due to error: DATA_LOSS: no model"
    assert single.house.models.names == ("a",)
    (state,) = single.house.manager.states("b")
    assert (state.state, str(state.error)) == (State.END, "DATA_LOSS: no model")


def test_nothing_there_names_the_places(single: Single) -> None:
    """Where it was looked for, and how to say where it is."""
    code, text = single.refusal("none")
    assert code is Code.NOT_FOUND
    assert f"(looked in {single.house.directory})" in text
    assert "base_path" in text
    assert "--allow_any_base_path" in text


@pytest.mark.parametrize("name", ["", ".", "..", "a/1", "/etc", "../x", "a\0"])
def test_names_do_not_leave_the_places(single: Single, name: str) -> None:
    """A name is that of a directory, not a path."""
    assert single.refusal(name)[0] is Code.NOT_FOUND


def test_no_versions_is_an_error(single: Single) -> None:
    """Nothing is waited for, and nothing changes."""
    (single.house.directory / "empty").mkdir()
    code, text = single.refusal("empty")
    assert (code, "the directory is empty" in text) == (Code.NOT_FOUND, True)
    assert single.house.models.names == ("a",)
    assert single.refusal("b", policy=Specific(versions=frozenset((1, 9)))) == (
        Code.NOT_FOUND,
        f"Model b has no version 9 at {single.house.directory / 'b'}",
    )


def test_base_paths_are_those_of_reloads(single: Single, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Beside those that the operator has given, or with the right to name any."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x"
    (elsewhere / "1").mkdir(parents=True)
    code, text = single.refusal("x", base_path=str(elsewhere))
    assert code is Code.PERMISSION_DENIED
    assert text.startswith(f"A load may not give model x the base path {elsewhere}; allowed")
    (single.house.directory / "x").symlink_to(elsewhere)
    assert single.refusal("x")[0] is Code.PERMISSION_DENIED
    single.load("y", base_path=str(single.house.directory / "b"))
    single.load("x", base_path=str(elsewhere), anywhere=True)
    assert (single.available("x"), single.available("y")) == ((1,), (1,))
    assert single.refusal("y", base_path=str(single.house.directory / "c"))[0] is Code.ALREADY_EXISTS


def test_directories_beside_are_told(single: Single) -> None:
    """Those with versions that are not in the list, and that may be loaded."""
    (single.house.directory / "empty").mkdir()
    (single.house.directory / "file").write_text("")
    (single.house.directory / "out").symlink_to("/proc/self")
    assert single.models.beside() == ["b", "c"]
    single.load("b")
    assert single.models.beside() == ["c"]


def test_unload_takes_one_out(single: Single) -> None:
    """No request reaches it when the call returns; those that it has go on."""
    single.load("b")
    handle = single.house.manager.acquire("b")
    single.unload("b")
    assert single.available("b") == ()
    assert single.house.models.names == ("a",)
    assert single.house.manager.states("b")[0].state is State.UNLOADING
    handle.release()
    single.house.watch.wait_for(State.END, 1, "b")


def test_the_last_model_may_go_and_come_back(single: Single) -> None:
    """Where it was is known from the operator's list."""
    single.unload("a")
    assert single.house.models.names == ()
    single.load("b")
    single.load("a")
    assert single.available("a") == (2, 1)


def test_what_is_not_there_cannot_be_unloaded(single: Single) -> None:
    """NOT_FOUND, whether there is a directory or not."""
    for name in ("b", "none"):
        with pytest.raises(ServingError, match=f"Model {name} is not loaded") as raised:
            single.unload(name)
        assert raised.value.code is Code.NOT_FOUND


def test_a_listed_model_comes_back_as_listed(house: House) -> None:
    """With its base path, versions and labels, although it is beside nothing of its name."""
    single = Single(house)
    listed = ModelConfig(name="m", base_path=house.directory / "a", policy=All())
    single.start(listed)
    house.watch.wait_for(State.AVAILABLE, 1, "m")
    house.reload(ModelConfig(name="m", base_path=house.directory / "a", policy=All(), labels={"stable": 1}))
    single.unload("m")
    house.watch.wait_for(State.END, 1, "m")
    assert single.load("m") == "loaded, as the list of models says"
    assert single.house.manager.serving.labels == {"m": {"stable": 1}}
    assert single.available("m") == (2, 1)


def test_a_whole_list_wins(single: Single) -> None:
    """What was loaded and unloaded lasts until then, and the answers say so."""
    assert single.load("b") == "loaded until a list comes by HandleReloadConfigRequest or the server ends"
    assert single.unload("a") == "unloaded until a list comes by HandleReloadConfigRequest or the server ends"
    single.house.reload(single.house.config("a"), single.house.config("c"))
    assert single.house.models.names == ("a", "c")


def test_notes_tell_of_the_file(house: House) -> None:
    """Where it is followed; and of what changes nothing here."""
    single = Single(house, follows_file=True)
    single.start(house.config("a"))
    note = single.load("b", ignored=("max_batch_size", "backend"))
    assert note.startswith("loaded until what --model_config_file lists changes, ")
    assert note.endswith("; without effect here: max_batch_size, backend")


def test_labels_of_others_do_not_matter(make_house: Callable[..., House], tmp_path: Path) -> None:
    """A version that a label of another model is for may have gone; that is no matter of this load."""
    house = make_house()
    house.make("a", 1, 2)
    house.make("b", 1)
    single = Single(house)
    single.start(house.config("a"))
    house.watch.wait_for(State.AVAILABLE, 1, "a")
    house.reload(house.config("a", labels={"stable": 1}))
    (tmp_path / "a" / "1").rmdir()
    house.models.wait(lambda: True, TIMEOUT_SECONDS)
    wait_until("version 1 is gone", lambda: single.available("a") == (2,))
    single.load("b")
    assert single.available("b") == (1,)


def test_it_is_told_in_the_log(single: Single, caplog: pytest.LogCaptureFixture) -> None:
    """What changes, in the lines of a reload, and how it ended."""
    caplog.set_level(logging.INFO, "serving")
    single.load("b")
    single.unload("b")
    single.refusal("none")
    lines = [line for line in caplog.messages if "odel" in line]
    path = single.house.directory / "b"
    for line in (
        "Loading model b by request",
        f"Model b is new: base path {path}, versions latest 1, not logged",
        " (Re-)adding model: b",
        "Model b is loaded until a list comes by HandleReloadConfigRequest or the server ends",
        "Model b is not configured any more",
        "Model b is unloaded, as the list of models says",
    ):
        assert line in lines
    assert lines[-1].startswith("Loading model none by request failed: Model none is not configured")
