"""Places for requests in flight: who waits goes on elsewhere, is refused in time, or forgotten when its client goes."""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from serving.core.concurrency import Limits
from serving.errors import Code, LimitError, ServingError
from serving.inference.context import RequestContext
from serving.inference.limits import Limiter
from serving.inference.principal import Principal
from tests.support.server_process import wait_until

ONE = Limits(in_flight=1, most_waiting=2, wait_seconds=30.0)


@pytest.fixture
def limiter() -> Iterator[Limiter]:
    """One may be in flight, two may wait."""
    limiter = Limiter(ONE)
    yield limiter
    limiter.close()


def asked(**fields: str) -> RequestContext:
    return RequestContext("GRPC", fields={name.replace("_", "-"): value for name, value in fields.items()})


def done(answer: "Future[bytes]") -> None:
    if answer.set_running_or_notify_cancel():
        answer.set_result(b"done")


def test_who_waits_goes_on_when_a_place_is_free(limiter: Limiter) -> None:
    """What it was to do is done then, on a thread of the limiter's."""
    first, second = limiter.enter(asked(), "m"), limiter.enter(asked(), "m")
    answer = second.submit(done)
    assert second.waits
    assert not answer.done()
    first.leave(succeeded=True)
    assert answer.result(30) == b"done"
    second.leave(succeeded=True)
    second.leave(succeeded=True)
    assert limiter.counts() == (0, 0, {})


def test_who_may_not_even_wait_is_told_the_limits(limiter: Limiter) -> None:
    """The text names both flags, and when to come again is said."""
    for _ in range(3):
        limiter.enter(asked(), "m")
    with pytest.raises(
        LimitError, match="1 requests are in flight, the limit that --max_in_flight sets, and 2 wait"
    ) as it:
        limiter.enter(asked(), "m")
    assert (it.value.code, it.value.limit, it.value.retry_seconds) == (Code.RESOURCE_EXHAUSTED, "max_in_flight", 1.0)


def test_a_wait_ends_with_its_time() -> None:
    """After --max_wait_seconds, or at the deadline if that is before."""
    limiter = Limiter(Limits(in_flight=1, most_waiting=2, wait_seconds=0.05))
    limiter.enter(asked(), "m")
    late = limiter.enter(asked(), "m")
    with pytest.raises(LimitError, match=r"has waited 0\.05 s, the limit that --max_wait_seconds sets"):
        late.wait(lambda: False)
    hurried = asked()
    hurried.timeout_ms = 10
    with pytest.raises(ServingError, match="The deadline has passed while the request waited") as it:
        limiter.enter(hurried, "m").wait(lambda: False)
    assert it.value.code is Code.DEADLINE_EXCEEDED
    assert limiter.counts()[:2] == (1, 0)
    limiter.close()


def test_a_client_that_has_gone_leaves_its_place(limiter: Limiter) -> None:
    """In the queue, by cancelling or as a thread that waits sees it; the next one moves up."""
    limiter.enter(asked(), "m")
    cancelled, blocking = limiter.enter(asked(), "m"), limiter.enter(asked(), "m")
    answer = cancelled.submit(done)
    assert answer.cancel()
    with pytest.raises(ServingError) as it:
        blocking.wait(lambda: True)
    assert (it.value.code, it.value.text) == (Code.CANCELLED, "The client has gone")
    wait_until("nobody waits", lambda: limiter.counts()[1] == 0)


def test_a_more_urgent_request_takes_the_place_of_another_in_the_queue(limiter: Limiter) -> None:
    """``x-priority`` is 1 to 9 or a word; the one that has to go is told why."""
    limiter.enter(asked(), "m")
    low, usual = limiter.enter(asked(x_priority="low"), "m"), limiter.enter(asked(), "m")
    high = limiter.enter(asked(x_priority="1"), "m")
    with pytest.raises(LimitError, match="Requests of a higher priority wait in place of this one"):
        low.wait(lambda: False)
    assert usual.waits
    assert high.waits


@pytest.mark.parametrize("given", ["0", "10", "urgent", "", "1.5", "-1"])
def test_a_priority_that_is_none_is_refused(limiter: Limiter, given: str) -> None:
    """The text says what was given and what is expected."""
    with pytest.raises(ServingError, match=r"x-priority is .*; expected 1, which comes first, to 9, or high") as it:
        limiter.enter(asked(x_priority=given), "m")
    assert it.value.code is Code.INVALID_ARGUMENT


def test_a_key_has_limits_of_its_own() -> None:
    """In flight and per second; another key, and who has none, are not held up."""
    limiter = Limiter(Limits())
    context = asked()
    context.principal = Principal(name="team-a", rights=frozenset(), max_in_flight=1, requests_per_second=2.0)
    place = limiter.enter(context, "m")
    with pytest.raises(LimitError, match="1 requests of the key 'team-a' are in flight"):
        limiter.enter(context, "other")
    place.leave(succeeded=True)
    with pytest.raises(LimitError, match="has used up its 2 requests per second") as it:
        limiter.enter(context, "m")
    assert 0 < it.value.retry_seconds <= 0.5
    assert not limiter.enter(asked(), "m").waits
    limiter.close()


def test_the_end_of_the_server_ends_waits(limiter: Limiter) -> None:
    """Who waits is told so."""
    limiter.enter(asked(), "m")
    waiting = limiter.enter(asked(), "m")
    limiter.close()
    with pytest.raises(ServingError, match="The server is ending"):
        waiting.wait(lambda: False)
