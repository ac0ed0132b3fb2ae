"""Requests that wait for their model: answered when it is there, told why it is not, and let go in time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from serving.core.lazy_manager import LazyManager
from serving.core.lifecycle import NotLoadedError
from serving.core.model_spec import ModelSpec
from serving.core.servable import Loader
from serving.errors import Code, ServingError
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.first_calls import FirstCall, FirstCalls
from serving.inference.long_call import LongCall
from serving.inference.placement import Workers
from serving.inference.requests import Requests
from serving.inference.service import Service
from serving.rest.api.tfs import TfsApi
from serving.rpc.api import tfs
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support import TIMEOUT_SECONDS, ManualClock, fails, loads, perform
from tests.support.server_process import wait_until
from tests.unit.inference.house import Log, Model

BROKEN = ServingError(Code.NOT_FOUND, "no saved_model.pb")


class LazyHouse:
    """The request layer of a lazy server with version 1 of the model ``m``, and a manager that a test steps."""

    def __init__(self, loader: Loader | None = None, *, timeout_seconds: float = 60.0, most: int = 8) -> None:
        self.model = Model()
        self.manager = LazyManager(pinned=frozenset())
        self.manager.set_aspired("m", {1: loader or loads(self.model)})
        self.clock = ManualClock(0.0)
        self.metrics = ServingMetrics(self.clock)
        self.workers = Workers(1)
        self.first_calls = FirstCalls(
            self.manager, self.workers.interpreter, timeout_seconds=timeout_seconds, most=most, clock=self.clock
        )
        requests = Requests(self.manager, self.metrics, Log(), self.workers, None, self.first_calls)
        self.service = Service(self.manager, self.metrics, requests, lambda *_: None)
        self.rest = TfsApi(self.service, as_content=False, exact_digits=False)
        self.grpc = tfs.handlers(self.service, as_content=False)

    def predict(self, *, door: str = "REST", timeout_ms: int = 0, name: str = "m") -> Reply:
        """A request in an event thread."""
        context = RequestContext("REST" if door == "REST" else "GRPC", timeout_ms=timeout_ms, in_event_thread=True)
        path = f"/v1/models/{name}:predict"
        return self.rest.endpoint("POST", path, {}).call(b'{"instances": [1.0]}', context)

    def wait(self, **how: Any) -> "Future[bytes]":
        """A request that has to wait, and does."""
        reply = self.predict(**how)
        assert isinstance(reply, FirstCall)
        return reply.elsewhere()

    def load(self) -> None:
        """Let the manager do what is to be done."""
        self.manager.rouse(self.clock())
        while actions := self.manager.step(self.clock()):
            for action in actions:
                perform(self.manager, action, self.clock())

    def counts(self) -> dict[tuple[str, ...], int]:
        return {labels: counter.value for labels, counter in self.metrics.request_count.points()}


@pytest.fixture
def make() -> Iterator[Callable[..., LazyHouse]]:
    """Makes houses whose threads end with the test."""
    houses: list[LazyHouse] = []

    def build(*given: Any, **more: Any) -> LazyHouse:
        houses.append(LazyHouse(*given, **more))
        return houses[-1]

    yield build
    for house in houses:
        house.workers.close()


def result(answer: "Future[bytes]") -> bytes:
    return answer.result(TIMEOUT_SECONDS)


def error(answer: "Future[bytes]") -> ServingError:
    found = answer.exception(TIMEOUT_SECONDS)
    assert isinstance(found, ServingError)
    return found


ANSWER = b'{\n    "predictions": [2.0\n    ]\n}'
Make = Callable[..., LazyHouse]


def test_first_requests_are_answered_when_the_model_is_there(make: Make) -> None:
    """All of them, by one load; later ones find it. Each counts once."""
    house = make()
    answers = [house.wait() for _ in range(3)]
    assert not any(answer.done() for answer in answers)
    house.load()
    assert [result(answer) for answer in answers] == [ANSWER] * 3
    assert house.predict() == ANSWER
    assert house.counts() == {("m", "OK"): 4}


def test_waiting_takes_no_place_of_others(make: Make) -> None:
    """Doors do not count it among the calls that run."""
    reply = make().predict()
    assert isinstance(reply, LongCall)
    assert reply.bounded


def test_thread_that_may_block_waits_itself(make: Make) -> None:
    """As the threads of grpcio do; one whose caller has gone ends."""
    house = make()
    reply = house.predict()
    assert isinstance(reply, FirstCall)
    bodies: list[bytes] = []
    thread = threading.Thread(target=lambda: bodies.append(reply.here(lambda: False)))
    thread.start()

    def answered() -> bool:
        house.load()
        return bool(bodies)

    wait_until("the thread has its answer", answered)
    thread.join(TIMEOUT_SECONDS)
    assert bodies == [ANSWER]


def test_metadata_waits_as_well(make: Make) -> None:
    """For the signatures are those of the loaded version; at both doors."""
    house = make()
    context = RequestContext("REST", in_event_thread=True)
    reply = house.rest.endpoint("GET", "/v1/models/m/metadata", {}).call(b"", context)
    assert isinstance(reply, LongCall)
    answer = reply.elsewhere()
    house.load()
    assert b"serving_default" in result(answer)
    assert house.counts() == {("m", "OK"): 1}


def test_who_describes_a_version_waits_as_well(make: Make) -> None:
    """It is described once it is there."""
    house = make()
    reply = house.service.trials(ModelSpec("m"), lambda trials: b"%d" % trials.id.version, RequestContext("REST"))
    assert isinstance(reply, LongCall)
    answer = reply.elsewhere()
    house.load()
    assert result(answer) == b"1"
    assert house.counts() == {("m", "OK"): 1}


def test_status_loads_nothing(make: Make) -> None:
    """Whoever looks at every model does not load it."""
    house = make()
    (state,) = house.service.status(ModelSpec("m"), RequestContext("REST"))
    assert state.note == "not loaded; the next request loads it (--lazy_load)"


def test_failed_load_is_everybodys_answer(make: Make) -> None:
    """And of those that come within the pause after it; each counts once."""
    house = make(fails(BROKEN))
    answers = [house.wait() for _ in range(2)]
    house.load()
    for answer in answers:
        assert (error(answer).code, error(answer).message) == (BROKEN.code, BROKEN.message)
    with pytest.raises(ServingError, match=r"no saved_model\.pb"):
        house.wait()
    assert house.counts() == {("m", "NOT_FOUND"): 3}


def test_later_request_tries_again(make: Make) -> None:
    """After the pause."""
    house = make(fails(BROKEN))
    first = house.wait()
    house.load()
    error(first)
    house.manager.set_aspired("m", {1: loads(house.model)})
    house.clock.advance(1.0)
    second = house.wait()
    house.load()
    assert result(second) == ANSWER


TIMES = [
    pytest.param({"door": "REST", "timeout_ms": 1000}, 60.0, id="REST's limit is of the run alone"),
    pytest.param({"door": "GRPC", "timeout_ms": 1000}, 1.0, id="the caller's deadline"),
    pytest.param({"door": "GRPC", "timeout_ms": 10**6}, 60.0, id="the flag"),
    pytest.param({"door": "GRPC"}, 60.0, id="no deadline"),
]


@pytest.mark.parametrize(("how", "seconds"), TIMES)
def test_wait_is_bounded(make: Make, how: Any, seconds: float) -> None:
    """By the deadline or the flag, whichever comes first; nobody waits for the model then."""
    house = make()
    answer = house.wait(**how)
    house.clock.advance(seconds - 0.01)
    house.first_calls.look()
    assert not answer.done()
    house.clock.advance(0.01)
    house.first_calls.look()
    assert error(answer).message == (
        "Model m was not loaded within the request's time limit, nor within 60 s (--lazy_load_timeout_seconds); "
        "try again"
    )
    assert house.counts() == {("m", "DEADLINE_EXCEEDED"): 1}
    house.load()
    assert house.manager.serving.available("m") == ()


def test_caller_that_has_gone_is_let_go(make: Make) -> None:
    """It counts as cancelled, and nothing is loaded for it alone."""
    house = make()
    assert house.wait().cancel()
    house.load()
    assert house.manager.serving.available("m") == ()
    assert house.counts() == {("m", "CANCELLED"): 1}


def test_waiting_requests_are_bounded(make: Make) -> None:
    """Each holds its body."""
    house = make(most=2)
    answers = [house.wait() for _ in range(2)]
    with pytest.raises(ServingError, match="2 requests wait for models") as caught:
        house.wait()
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    house.load()
    assert [result(answer) for answer in answers] == [ANSWER] * 2


def test_unknown_model_is_answered_at_once(make: Make) -> None:
    """As without the flag."""
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(x\)"):
        make().predict(name="x")


def test_removed_model_ends_the_wait(make: Make) -> None:
    """It is not found."""
    house = make()
    answer = house.wait()
    house.manager.set_aspired("m", {})
    assert error(answer).message == "Servable not found for request: Latest(m)"


def test_service_without_it_says_what_is_missing() -> None:
    """A manager that nobody has told how to wait: an error, not a wait for ever."""
    house = LazyHouse()
    requests = Requests(house.manager, house.metrics, Log(), house.workers)
    service = Service(house.manager, house.metrics, requests, lambda *_: None)
    with pytest.raises(NotLoadedError):
        service.metadata(ModelSpec("m"), lambda *_: b"", RequestContext("GRPC"))
