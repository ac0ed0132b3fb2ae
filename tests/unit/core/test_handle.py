"""Leases, handles and the serving map."""

import threading
from itertools import count
from typing import Any

import pytest

from serving.core.handle import CountedLease, Handle, Lease, ServingMap
from serving.errors import Code, ServingError
from tests.support import FakeServable, servable_id


def lease(version: int, name: str = "m") -> Lease:
    return Lease(servable_id(version, name), FakeServable(), lambda: None)


def counted() -> tuple[Lease, list[None]]:
    """A lease and a list that grows with each call of its ``on_idle``."""
    calls: list[None] = []
    return Lease(servable_id(1), FakeServable(), lambda: calls.append(None)), calls


def taken(lease: Lease) -> Handle:
    handle = lease.take()
    assert handle is not None
    return handle


def test_handle_carries_id_and_servable() -> None:
    """A handle knows what it holds."""
    held = lease(3)
    handle = taken(held)
    assert (handle.id, handle.servable) == (servable_id(3), held.servable)


def test_closed_lease_gives_no_handles() -> None:
    """Once closed, nobody new gets in."""
    held = lease(1)
    held.close()
    assert held.take() is None


def test_last_handle_after_close_tells() -> None:
    """The owner is told once, when the last of several handles is released."""
    held, calls = counted()
    first, second = taken(held), taken(held)
    held.close()
    first.release()
    assert (len(calls), held.idle) == (0, False)
    second.release()
    assert (len(calls), held.idle) == (1, True)


def test_release_of_an_open_lease_does_not_tell() -> None:
    """Handles come and go while a version serves."""
    held, calls = counted()
    taken(held).release()
    assert (calls, held.idle) == ([], False)


def test_close_without_handles_is_idle_at_once() -> None:
    """Nothing is waited for when nothing is held, and nobody needs telling."""
    held, calls = counted()
    held.close()
    assert (calls, held.idle) == ([], True)


def test_second_release_does_nothing() -> None:
    """A handle released twice counts once."""
    held, _ = counted()
    twice, other = taken(held), taken(held)
    twice.release()
    twice.release()
    held.close()
    assert not held.idle
    other.release()
    assert held.idle


def test_context_manager_releases_on_error() -> None:
    """A request that fails lets go, and its error is not swallowed."""
    held, _ = counted()

    def use() -> None:
        with taken(held) as handle:
            held.close()
            raise ValueError(handle.id.name)

    with pytest.raises(ValueError, match="m"):
        use()
    assert held.idle


def test_many_threads_lose_no_count() -> None:
    """Handles taken and released on several threads at once leave the count at nothing."""
    held, calls = counted()
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(500):
            taken(held).release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = taken(held)
    held.close()
    assert (held.idle, calls) == (False, [])
    last.release()
    assert (held.idle, len(calls)) == (True, 1)


ONE_TWO = ServingMap().with_lease(lease(1)).with_lease(lease(2)).with_labels({"m": {"stable": 1, "gone": 7}})

FOUND = [
    pytest.param(None, None, 2, id="latest"),
    pytest.param(1, None, 1, id="version"),
    pytest.param(None, "stable", 1, id="label"),
]


@pytest.mark.parametrize(("version", "label", "found"), FOUND)
def test_find(version: int | None, label: str | None, found: int) -> None:
    """A request finds the highest, the numbered or the labelled version."""
    assert ONE_TWO.find("m", version, label).id == servable_id(found)


NOT_FOUND = "Servable not found for request: "
REFUSED = [
    pytest.param(("x", None, None), Code.NOT_FOUND, f"{NOT_FOUND}Latest(x)", id="unknown-model"),
    pytest.param(("x", 1, None), Code.NOT_FOUND, f"{NOT_FOUND}Specific(x, 1)", id="unknown-model-version"),
    pytest.param(("m", 3, None), Code.NOT_FOUND, f"{NOT_FOUND}Specific(m, 3)", id="unknown-version"),
    pytest.param(("m", 0, None), Code.NOT_FOUND, f"{NOT_FOUND}Specific(m, 0)", id="version-0-is-a-version"),
    pytest.param(
        ("m", None, "gone"), Code.NOT_FOUND, f"{NOT_FOUND}Specific(m, 7)", id="label-of-a-version-that-is-gone"
    ),
    pytest.param(("m", None, "x"), Code.INVALID_ARGUMENT, "Unrecognized servable version label: x", id="unknown-label"),
    pytest.param(
        ("x", None, "stable"),
        Code.INVALID_ARGUMENT,
        "Unrecognized servable version label: stable",
        id="label-of-an-unknown-model",
    ),
    pytest.param(("m", None, ""), Code.INVALID_ARGUMENT, "Unrecognized servable version label: ", id="empty-label"),
]


@pytest.mark.parametrize(("request_", "code", "text"), REFUSED)
def test_find_refuses(request_: tuple[str, Any, Any], code: Code, text: str) -> None:
    """What is not available is refused with TFS's words."""
    with pytest.raises(ServingError) as caught:
        ONE_TWO.find(*request_)
    assert (caught.value.code, caught.value.message) == (code, text)


def test_map_is_replaced_not_edited() -> None:
    """A reader that kept a map still finds in it what was there."""
    after = ONE_TWO.without(servable_id(2))
    assert (ONE_TWO.available("m"), after.available("m")) == ((2, 1), (1,))
    assert after.find("m", None, None).id == servable_id(1)


def test_latest_is_the_highest_not_the_newest() -> None:
    """A lower version that comes later does not take over."""
    assert ServingMap().with_lease(lease(9)).with_lease(lease(5)).find("m", None, None).id == servable_id(9)


def test_last_version_takes_its_model_along() -> None:
    """A model without versions is not in the map, and other models stay."""
    both = ServingMap().with_lease(lease(1)).with_lease(lease(1, "n")).with_labels({"n": {"a": 1}})
    after = both.without(servable_id(1))
    assert (list(after.models), list(after.latest), after.available("m")) == (["n"], ["n"], ())
    assert after.find("n", None, "a").id == servable_id(1, "n")


def test_labels_are_replaced_whole() -> None:
    """Labels not mentioned disappear, of whichever model."""
    labelled = ONE_TWO.with_labels({"n": {"b": 1}, "m": {"canary": 2}})
    assert labelled.labels == {"n": {"b": 1}, "m": {"canary": 2}}
    assert labelled.with_labels({"n": {"c": 3}, "m": {}}).labels == {"n": {"c": 3}}


def test_counted_lease_knows_its_last_use() -> None:
    """Uses are counted over all versions; a lease that is closed gives no holds, as any other."""
    uses = count(1)
    first, second = (CountedLease(servable_id(each), FakeServable(), lambda: None, uses) for each in (1, 2))
    assert first.last_use < second.last_use
    assert first.hold()
    assert (first.busy, second.busy) == (True, False)
    assert first.last_use > second.last_use
    first.close()
    assert not first.hold()
    assert not first.idle
    first.give_back()
    assert (first.busy, first.idle) == (False, True)


def test_plain_lease_counts_nothing() -> None:
    """Without --lazy_load nobody asks."""
    assert Lease(servable_id(1), FakeServable(), lambda: None).last_use == 0
