"""Lists of models put into effect one after the other: what is refused, waited for, and served meanwhile."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from serving.configuration.model_config import ModelConfig
from serving.core.servable import State
from serving.core.startup import Progress
from serving.core.version_policy import Specific
from serving.errors import Code, ConfigurationError, ServingError
from tests.support import TIMEOUT_SECONDS, FakeServable, Gate, loads
from tests.support.server_process import wait_until
from tests.unit.loading.house import House

NOW = 0.0
"""A time limit that has passed at once."""


@contextmanager
def meanwhile(call: Callable[[], None]) -> Iterator[Future[None]]:
    """Run ``call`` on another thread during the block."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call)


def test_a_new_list_replaces_the_old_one(house: House) -> None:
    """A reload returns when the models it adds serve; those it omits are unloaded."""
    house.start(house.config("a"))
    house.reload(house.config("b"), house.config("c"))
    assert (house.manager.serving.available("b"), house.manager.serving.available("c")) == ((1,), (1,))
    house.watch.wait_for(State.END, 2, "a")
    assert house.models.names == ("b", "c")


def test_an_empty_list_unloads_everything(house: House) -> None:
    """A list of nothing is a list."""
    house.start(house.config("b"))
    house.reload()
    house.watch.wait_for(State.END, 1, "b")


def test_the_same_list_again_changes_nothing(house: House) -> None:
    """What serves goes on serving, without being loaded anew."""
    house.start(house.config("b"))
    house.reload(house.config("b"))
    assert house.watch.states(1, "b") == [State.START, State.LOADING, State.AVAILABLE]


def test_a_changed_policy_takes_effect_without_polling(house: House) -> None:
    """Every reload scans once, also where the file system is not polled."""
    house.start(house.config("a", Specific(versions=frozenset((1,)))))
    house.reload(house.config("a", Specific(versions=frozenset((2,)))))
    house.watch.wait_for(State.AVAILABLE, 2, "a")
    house.watch.wait_for(State.END, 1, "a")


def test_a_model_that_was_dropped_comes_back(house: House) -> None:
    """It is loaded again, and the reload waits for that although its former version may not be gone yet."""
    house.start(house.config("b"))
    handle = house.manager.acquire("b")
    house.reload()
    house.watch.wait_for(State.UNLOADING, 1, "b")
    with meanwhile(lambda: house.reload(house.config("b"))) as done:
        wait_until("the list is in effect", lambda: house.models.names == ("b",))
        assert not done.done()
        handle.release()
        done.result(TIMEOUT_SECONDS)
    assert house.watch.states(1, "b")[-3:] == [State.START, State.LOADING, State.AVAILABLE]


def test_a_failed_model_that_was_dropped_is_tried_again(house: House) -> None:
    """Dropping a model forgets its failure."""
    house.start(house.config("b"))
    house.broken.add("c")
    assert house.refusal(house.config("b"), house.config("c"))[0] is Code.UNKNOWN
    house.broken.clear()
    house.reload(house.config("b"))
    house.reload(house.config("b"), house.config("c"))
    assert house.manager.serving.available("c") == (1,)


def test_failures_of_new_models_are_told_together(house: House) -> None:
    """All that failed are in the text, by name; the rest of the list is in effect."""
    house.start(house.config("a"))
    house.make("d", 1)
    house.broken.update(("d", "b"))
    code, text = house.refusal(house.config("d"), house.config("c"), house.config("b"))
    assert (code, text) == (
        Code.UNKNOWN,
        "2 model(s) did not become available: {{{name: b version: 1} due to error: DATA_LOSS: no model}, "
        "{{name: d version: 1} due to error: DATA_LOSS: no model}, }",
    )
    assert house.models.names == ("d", "c", "b")
    assert house.manager.serving.available("c") == (1,)


def test_a_missing_base_path_does_not_hide_a_failure(house: House) -> None:
    """A failure is told although another new model may never come."""
    house.start(house.config("a"))
    house.broken.add("b")
    assert house.refusal(house.config("a"), house.config("none"), house.config("b"))[0] is Code.UNKNOWN


def test_a_missing_base_path_is_waited_for_in_vain(house: House) -> None:
    """The wait ends at the caller's limit, and says what it waited for; the list is in effect."""
    house.start(house.config("a"))
    code, text = house.refusal(house.config("a"), house.config("none"), timeout=NOW)
    assert code is Code.DEADLINE_EXCEEDED
    assert "The configuration is in effect, but none did not become available in time" in text
    assert house.models.names == ("a", "none")


def test_a_wait_blocks_no_other_reload(house: House) -> None:
    """A later list comes through, and ends the wait for a model that it drops."""
    house.start(house.config("a"))
    with meanwhile(lambda: house.reload(house.config("a"), house.config("none"), timeout=None)) as waiting:
        wait_until("the list is in effect", lambda: "none" in house.models.names)
        house.reload(house.config("a"), house.config("b"))
        with pytest.raises(ServingError, match="dropped none") as raised:
            waiting.result(TIMEOUT_SECONDS)
    assert raised.value.code is Code.ABORTED
    assert house.manager.serving.available("b") == (1,)


def test_a_caller_that_is_gone_waits_no_more(house: House) -> None:
    """The next turn of the loop lets its thread go."""
    house.start(house.config("a"))
    gone = threading.Event()
    with meanwhile(lambda: house.models.reload((house.config("none"),), None, gone.is_set)) as waiting:
        wait_until("the list is in effect", lambda: "none" in house.models.names)
        gone.set()
        house.reload(house.config("none"))
        with pytest.raises(ServingError) as raised:
            waiting.result(TIMEOUT_SECONDS)
    assert raised.value.code is Code.CANCELLED


def test_the_end_of_the_process_ends_waits(house: House) -> None:
    """A drain is not held up by a reload."""
    house.start(house.config("a"))
    with meanwhile(lambda: house.reload(house.config("none"), timeout=None)) as waiting:
        wait_until("the list is in effect", lambda: "none" in house.models.names)
        house.models.end_waits()
        with pytest.raises(ServingError) as raised:
            waiting.result(TIMEOUT_SECONDS)
    assert raised.value.code is Code.UNAVAILABLE


NO_LIST = "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to another."


def test_no_list_after_a_list_is_refused(house: House) -> None:
    """A configuration without a list is not an empty list."""
    house.start(house.config("b"))
    with pytest.raises(ConfigurationError, match=NO_LIST) as raised:
        house.models.reload(None)
    assert raised.value.code is Code.FAILED_PRECONDITION
    assert house.manager.serving.available("b") == (1,)


def test_a_list_after_no_list(house: House) -> None:
    """A server may start with nothing and be told later."""
    house.models.start(None)
    house.models.reload(None)
    house.reload(house.config("b"))
    assert house.manager.serving.available("b") == (1,)


def test_a_platform_cannot_change(house: House) -> None:
    """The text has the old and the new one, and nothing changes."""
    house.start(house.config("b"))
    other = ModelConfig(name="b", base_path=house.directory / "b", model_platform="foo")
    assert house.refusal(other) == (
        Code.INVALID_ARGUMENT,
        "Illegal to change a model's platform. For model b platform was tensorflow and new platform requested is foo",
    )
    assert house.models.configured == (house.config("b"),)


def test_a_refused_list_does_not_spoil_the_next(house: House) -> None:
    """After a model without a platform was refused, a good list is taken."""
    house.start(house.config("b"))
    nameless = ModelConfig(name="c", base_path=house.directory / "c", model_platform="")
    assert "Illegal setting neither" in house.refusal(house.config("b"), nameless)[1]
    house.reload(house.config("b"), house.config("c"))
    assert house.manager.serving.available("c") == (1,)


def test_platforms_are_checked_after_labels(house: House) -> None:
    """Of two mistakes the one is told that TensorFlow Serving tells."""
    house.start(house.config("b"))
    other = ModelConfig(name="n", base_path=house.directory / "n", model_platform="foo")
    assert house.refusal(house.config("b", labels={"x": 9}), other)[0] is Code.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("allow", "before", "after", "taken"),
    [
        pytest.param(False, {}, {"stable": 1}, True, id="available"),
        pytest.param(False, {}, {"stable": 3}, False, id="unavailable"),
        pytest.param(False, {"stable": 1}, {"stable": 2}, True, id="moved"),
        pytest.param(False, {"stable": 1}, {"stable": 3}, False, id="moved-to-unavailable"),
        pytest.param(False, {"stable": 1}, {}, True, id="dropped"),
        pytest.param(False, {"stable": 1}, {"canary": 1}, True, id="renamed"),
        pytest.param(True, {}, {"stable": 3}, True, id="allowed"),
        pytest.param(True, {"stable": 1}, {"stable": 3}, False, id="allowed-but-moved"),
        pytest.param(True, {"stable": 1}, {"stable": 2}, True, id="allowed-and-moved-to-available"),
        pytest.param(True, {"stable": 3}, {"stable": 3}, True, id="allowed-and-unavailable-as-before"),
    ],
)
def test_labels(
    make_house: Callable[..., House], allow: bool, before: dict[str, int], after: dict[str, int], taken: bool
) -> None:
    """A label needs an available version; with the flag a new one does not. The labels of a list are all there are."""
    house = make_house(allow_unavailable_labels=allow)
    house.make("a", 1, 2)
    house.start(house.config("a"))
    house.watch.wait_for(State.AVAILABLE, 1, "a")
    house.watch.wait_for(State.AVAILABLE, 2, "a")
    house.reload(house.config("a", labels=before))
    if taken:
        house.reload(house.config("a", labels=after))
    else:
        assert house.refusal(house.config("a", labels=after)) == (
            Code.FAILED_PRECONDITION,
            "Request to assign label to version 3 of model a, which is not currently available for inference",
        )
    assert house.manager.serving.labels.get("a", {}) == (after if taken else before)


def test_labels_at_start_need_the_flag(house: House) -> None:
    """Nothing is available yet, so the first list is refused and nothing is loaded."""
    with pytest.raises(ConfigurationError, match="Request to assign label to version 1 of model a"):
        house.models.start((house.config("a", labels={"stable": 1}),))
    assert house.watch.seen == []


def test_ready_does_not_wait_for_what_a_reload_adds(house: House) -> None:
    """Readiness is for the first list's models, and for later ones once they have served."""
    house.gates["c"] = Gate(loads(FakeServable("c")))
    house.start(house.config("a"))
    assert house.models.ready()
    with pytest.raises(ServingError):
        house.reload(house.config("a"), house.config("c"), timeout=NOW)
    assert house.models.ready()
    assert house.models.startup().progress is Progress.WAITING
    house.gates["c"].open()
    house.watch.wait_for(State.AVAILABLE, 1, "c")
    (house.directory / "c" / "1").rmdir()
    house.reload(house.config("a"), house.config("c"))
    house.watch.wait_for(State.END, 1, "c")
    assert not house.models.ready()


def test_not_ready_before_the_first_list_serves(house: House) -> None:
    """A model of the first list is waited for."""
    house.gates["b"] = Gate(loads(FakeServable("b")))
    house.models.start((house.config("b"),))
    assert not house.models.ready()


def test_reloads_at_the_same_time_leave_one_list(house: House) -> None:
    """Whatever the order, names, labels and versions in the end are those of one list."""
    house.start(house.config("b"))
    lists: Sequence[tuple[ModelConfig, ...]] = [
        (house.config("a", Specific(versions=frozenset((number % 2 + 1,)))), house.config("b", labels={"x": 1}))
        for number in range(8)
    ]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(house.models.reload, configs, TIMEOUT_SECONDS) for configs in lists]:
            done.result(TIMEOUT_SECONDS)
    (first, second) = house.models.configured or ()
    assert isinstance(first.policy, Specific)
    wanted = tuple(first.policy.versions)
    wait_until("the version of the last list is the one", lambda: house.manager.serving.available("a") == wanted)
    assert house.manager.serving.labels == {"b": second.labels}


def test_changes_of_a_list_are_told(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A reload says what is another now, with fields of its own; the first list is no change."""
    caplog.set_level("INFO", "serving")
    house.start(house.config("a"), house.config("b"))
    assert not [each for each in caplog.messages if each.startswith(("Model ", "Label "))]
    house.reload(house.config("a", labels={"stable": 2}))
    assert [each for each in caplog.messages if each.startswith(("Model ", "Label "))] == [
        "Model b is not configured any more",
        "Label stable of model a is new, for version 2",
    ]
    (moved,) = [each for each in caplog.records if each.message.startswith("Label ")]
    assert (vars(moved)["model"], vars(moved)["label"], vars(moved)["version"]) == ("a", "stable", 2)


def test_same_list_is_told_to_be_the_same(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Who has asked for a reload sees that nothing came of it."""
    caplog.set_level("INFO", "serving")
    house.start(house.config("a"))
    house.reload(house.config("a"))
    assert "The configuration lists the same as before" in caplog.messages


def test_refused_list_changes_nothing_and_says_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A label for a version that is not available."""
    caplog.set_level("INFO", "serving")
    house.start(house.config("a"))
    with pytest.raises(ConfigurationError):
        house.reload(house.config("a", labels={"stable": 9}))
    assert not [each for each in caplog.messages if each.startswith(("Model ", "Label "))]
