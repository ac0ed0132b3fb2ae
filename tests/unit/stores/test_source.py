"""The source: a thread for each model, none of which holds up a poll, another model, or the end of the process."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.core.store_url import StoreUrl
from serving.core.version_policy import Latest
from serving.stores.follower import InUse
from serving.stores.source import StoreOptions, StorePath, StoreSource
from serving.stores.values import StoreError
from tests.support.server_process import wait_until
from tests.unit.stores.fake_store import FakeStore, model


class Sourced:
    """A source of stores by address; nothing is ever loaded."""

    def __init__(self, cache: Path, stores: dict[str, FakeStore]) -> None:
        self.changed = threading.Event()
        self.deaths: list[BaseException] = []
        options = StoreOptions(cache=cache, poll_seconds=0.05, settle_seconds=0, answer_seconds=5)
        self.source = StoreSource(
            options,
            InUse(lambda _: (), lambda _: ()),
            self.changed.set,
            self.deaths.append,
            lambda url, seconds: stores[url.url],
        )

    def aspired(self, name: str) -> set[int] | None:
        """The versions of a model that a poll gives."""
        found = self.source.poll().aspired.get(name)
        return None if found is None else set(found)

    def give(self, **models: str) -> None:
        self.source.replace({name: StorePath(url=StoreUrl(url), policy=Latest()) for name, url in models.items()})


@pytest.fixture
def stores() -> dict[str, FakeStore]:
    return {"s3://b/one": FakeStore({1: model("one")}), "s3://b/two": FakeStore({2: model("two")})}


@pytest.fixture
def sourced(tmp_path: Path, stores: dict[str, FakeStore]) -> Iterator[Sourced]:
    made = Sourced(tmp_path, stores)
    yield made
    made.source.close()


def test_a_model_whose_store_hangs_holds_up_no_other(sourced: Sourced, stores: dict[str, FakeStore]) -> None:
    """Nor a poll: what is not known is not in it."""
    hangs, reached = threading.Event(), threading.Event()

    def hang(file: object) -> None:
        reached.set()
        hangs.wait(60)

    stores["s3://b/one"].on_read = hang
    sourced.give(a="s3://b/one", b="s3://b/two")
    wait_until("the other is there", lambda: sourced.aspired("b") == {2})
    wait_until("the first hangs", reached.is_set)
    assert sourced.aspired("a") is None
    assert sourced.source.shown("a").startswith("fetching version 1: 0 % of 0.0 MB")
    hangs.set()
    wait_until("the first is there", lambda: sourced.aspired("a") == {1})
    assert sourced.changed.is_set()


def test_a_model_that_is_taken_out_is_aspired_empty(sourced: Sourced) -> None:
    """And is followed again when it comes back."""
    sourced.give(a="s3://b/one", b="s3://b/two")
    wait_until("both are there", lambda: (sourced.aspired("a"), sourced.aspired("b")) == ({1}, {2}))
    sourced.give(b="s3://b/two")
    assert (sourced.aspired("a"), sourced.aspired("b")) == (set(), {2})
    sourced.give(a="s3://b/one", b="s3://b/two")
    wait_until("it is back", lambda: sourced.aspired("a") == {1})


def test_a_model_that_moves_keeps_what_it_has_until_then(sourced: Sourced, stores: dict[str, FakeStore]) -> None:
    """Nothing is known of the other place at first, so that nothing is unloaded."""
    sourced.give(a="s3://b/one")
    wait_until("it is there", lambda: sourced.aspired("a") == {1})
    stores["s3://b/two"].down = StoreError("it is down")
    sourced.give(a="s3://b/two")
    assert sourced.aspired("a") is None
    wait_until("it is told", lambda: sourced.source.shown("a") == "s3://b/two: it is down; it is tried again")
    stores["s3://b/two"].down = None
    wait_until("it has moved", lambda: sourced.aspired("a") == {2})


def test_a_death_is_told(sourced: Sourced, stores: dict[str, FakeStore]) -> None:
    """A defect is no trouble of a store: whoever owns the loop is told."""
    del stores["s3://b/one"]
    sourced.give(a="s3://b/one")
    wait_until("it died", lambda: bool(sourced.deaths))


def test_readings(sourced: Sourced, stores: dict[str, FakeStore]) -> None:
    """Counts by model, and whether its store fails now."""
    stores["s3://b/two"].down = StoreError("it is down")
    sourced.give(a="s3://b/one", b="s3://b/two")
    wait_until("both were asked", lambda: sourced.aspired("a") == {1} and bool(sourced.source.shown("b")))
    points = {reading.name: dict(reading.points) for reading in sourced.source.readings()}
    assert points["/serving/store_fetches"][("a", "ok")] == 1
    assert points["/serving/store_fetched_bytes"][("a",)] == len(b"one" + b"index")
    assert points["/serving/store_failing"] == {("a",): 0, ("b",): 1}


def test_no_thread_is_left(tmp_path: Path, stores: dict[str, FakeStore]) -> None:
    """After a close, and after a model was taken out."""

    def threads() -> set[str]:
        return {each.name for each in threading.enumerate() if each.name.startswith("store-")}

    made = Sourced(tmp_path, stores)
    made.give(gone="s3://b/one", here="s3://b/two")
    wait_until("both are there", lambda: (made.aspired("gone"), made.aspired("here")) == ({1}, {2}))
    made.give(here="s3://b/two")
    made.source.close()
    wait_until("no thread is left", lambda: not threads() & {"store-gone", "store-here"})
