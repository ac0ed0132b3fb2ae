"""Shadow requests over models without TensorFlow: which are made, what becomes of them, what bounds them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import pytest

from serving.core.servable import Run
from serving.core.shadow import ShadowSpec, ShadowState
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from serving.inference.requests import Requests
from serving.inference.shadowed_service import ShadowedService
from serving.inference.shadows import Shadows
from serving.rest.api.tfs import TfsApi
from serving.rpc.api import tfs
from tests.support import TIMEOUT_SECONDS, loads, settle
from tests.support.server_process import wait_until
from tests.unit.inference.asking import grpc, predict, rest
from tests.unit.inference.house import Doubler, House, Model

NEW = 7
BODY = b'{"instances": [1.0]}'


class Times(Doubler):
    """A run of the new version: it gives ``factor`` times its input, once it may."""

    def __init__(self, model: "NewModel", fetches: tuple[str, ...]) -> None:
        super().__init__(fetches)
        self._model = model

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        self._model.called.set()
        assert self._model.may_run.wait(TIMEOUT_SECONDS)
        if self._model.error is not None:
            raise self._model.error
        dtype, array = tensors[0]
        return [Tensor(dtype, array * self._model.factor) for _ in self._fetches]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        raise AssertionError("a shadow takes none of the threads of others")


class NewModel(Model):
    """What the shadow is."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 2.0
        self.error: Exception | None = None
        self.called, self.may_run = threading.Event(), threading.Event()
        self.may_run.set()

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return Times(self, fetches)


class Shadowed(House):
    """A house whose model ``m`` has a shadow, version 7, beside version 1, which ``stable`` is for."""

    def __init__(self, share: float = 1.0, *, most: int = 64, most_bytes: int = 2**20, patience: float = 60.0) -> None:
        super().__init__()
        self.new = NewModel()
        self.quiet = True
        self.serve(1, NEW)
        self.shadows = Shadows(
            [ShadowSpec(model="m", version=NEW, share=share)],
            self.manager,
            self.metrics.registry,
            lambda: self.quiet,
            self.workers.interpreter,
            most=most,
            most_bytes=most_bytes,
            patience_seconds=patience,
        )
        self.service = ShadowedService(
            self.shadows,
            self.manager,
            self.metrics,
            Requests(self.manager, self.metrics, self.log, self.workers),
            lambda config, seconds, gone: None,
        )
        self.rest = TfsApi(self.service, as_content=False, exact_digits=False)
        self.grpc = tfs.handlers(self.service, as_content=False)

    def serve(self, *versions: int) -> None:
        """Have these versions, the former one first, and no others."""
        models = {1: loads(self.model), NEW: loads(self.new)}
        self.manager.set_aspired("m", {version: models[version] for version in versions})
        settle(self.manager)

    def ask(self, times: int = 1, body: bytes = BODY, *, in_event_thread: bool = True) -> None:
        """Requests that are answered by version 1."""
        for _ in range(times):
            asked = rest(body, path="/v1/models/m/labels/stable:predict")
            assert asked.answer(self, in_event_thread=in_event_thread)

    @property
    def state(self) -> ShadowState:
        """What came of it."""
        return self.shadows.states()["m"]

    def wait(self, **counts: int) -> None:
        """Until there are as many."""
        wait_until(f"{counts}", lambda: all(getattr(self.state, name) == each for name, each in counts.items()))


Make = Callable[..., Shadowed]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes houses; their threads end."""
    houses: list[Shadowed] = []

    def one(*parts: float, **more: float) -> Shadowed:
        houses.append(Shadowed(*parts, **more))  # type: ignore[arg-type]
        return houses[-1]

    yield one
    for house in houses:
        house.new.may_run.set()
        house.shadows.close(TIMEOUT_SECONDS)


@pytest.mark.parametrize("in_event_thread", [True, False])
def test_answers_are_compared(make: Make, in_event_thread: bool) -> None:
    """Whichever thread has answered, and however much they are apart."""
    house = make()
    house.ask(in_event_thread=in_event_thread)
    house.wait(agreed=1)
    house.new.factor = 5.0
    house.ask(2, in_event_thread=in_event_thread)
    house.wait(differed=2)
    assert (house.state.compared, house.state.largest_difference) == (3, 3.0)
    counted = house.metrics.page().decode()
    assert ':serving:shadow_requests{model_name="m",version="7",outcome="differed"} 2' in counted
    assert ':serving:shadow_seconds_count{model_name="m",version="7",run="live"} 3' in counted
    assert house.counts() == {("m", "OK"): 3}  # a shadow request is nobody's request


def test_every_protocol(make: Make) -> None:
    """It stands where all of them come by."""
    house = make()
    assert grpc("Predict", predict({"x": [1.0]}, version=1)).answer(house)
    house.wait(agreed=1)


def test_a_share_is_drawn(make: Make) -> None:
    """Of the requests that other versions answer; those for the shadow itself are none of them."""
    house = make(0.5)
    for _ in range(4):
        assert rest(BODY).answer(house)  # the latest
    house.ask(4)
    house.wait(agreed=2)


def test_it_fails_alone(make: Make) -> None:
    """Its clients have their answers."""
    house = make()
    house.new.error = ServingError(Code.INTERNAL, "broken")
    house.ask()
    house.wait(failed=1)
    house.new.error = ZeroDivisionError()
    house.ask()
    house.wait(failed=2)
    house.new.error = None
    house.ask()
    house.wait(agreed=1)


def test_a_version_that_is_not_served(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Its requests are dropped, which is said once; when it comes it has them."""
    house = make()
    house.serve(1)
    house.ask(3)
    house.wait(dropped=3)
    told = [line for line in caplog.messages if "shadow" in line]
    assert told == [
        "Version 7 of model m, a shadow (--shadow), is not served, and gets no requests: "
        "Servable not found for request: Specific(m, 7)"
    ]
    house.serve(1, NEW)
    house.ask()
    house.wait(agreed=1)


def test_no_more_wait_than_may(make: Make) -> None:
    """The rest is dropped, and no answer waits."""
    house = make(most=2)
    house.new.may_run.clear()
    house.ask()
    assert house.new.called.wait(TIMEOUT_SECONDS)
    house.ask(5)
    house.wait(dropped=3)
    house.new.may_run.set()
    house.wait(agreed=3)


def test_no_more_bytes_are_held_than_may(make: Make) -> None:
    """Bodies and outputs count; the one that is being made, too."""
    long = b'{"instances": [' + b", ".join([b"1.0"] * 1000) + b"]}"
    house = make(most_bytes=3 * len(long))
    house.new.may_run.clear()
    house.ask(body=long)
    assert house.new.called.wait(TIMEOUT_SECONDS)
    house.ask(body=long)
    house.wait(dropped=1)
    house.ask()
    house.new.may_run.set()
    house.wait(agreed=2)


def test_nothing_is_made_while_others_wait(make: Make) -> None:
    """It is dropped when it has waited for too long, and made when it is quiet before."""
    house = make(patience=0.05)
    house.quiet = False
    house.ask()
    house.wait(dropped=1)
    assert not house.new.called.is_set()
    waiting = make()
    waiting.quiet = False
    waiting.ask()
    waiting.quiet = True
    waiting.wait(agreed=1)


def test_an_unload_waits_for_no_queue(make: Make) -> None:
    """A version is held while it runs, and not before."""
    house = make()
    house.quiet = False
    house.ask(3)
    house.serve(1)
    assert house.new.closed == 1
    house.quiet = True
    house.wait(dropped=3)


def test_closing_lets_go_of_what_waits(make: Make) -> None:
    """Later requests are answered all the same."""
    house = make()
    house.quiet = False
    house.ask(3)
    house.shadows.close(TIMEOUT_SECONDS)
    house.ask()
    assert house.state == ShadowState(version=NEW, share=1.0)
