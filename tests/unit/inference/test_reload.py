"""HandleReloadConfigRequest between the wire and the models: what is refused, metrics, answers from a thread."""

import logging
import threading
from typing import Any

import pytest
from google.protobuf import text_format

from serving.errors import Code, ServingError
from serving.inference.long_call import Gone, LongCall
from serving.inference.reload import reload
from serving.protos import ReloadConfigRequest
from tests.support import TIMEOUT_SECONDS

LIST = 'model_config_list { config { name: "m" base_path: "/models/m" model_platform: "tensorflow" } }'
ONLY_LISTS = (
    "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
)


def never() -> bool:
    return False


class Metrics:
    """Metrics that grow whenever a list is applied."""

    def __init__(self, **values: int) -> None:
        self.values = {f"/tensorflow/{name}": value for name, value in values.items()}
        self.applied: list[tuple[Any, float | None]] = []

    def apply(self, config: Any, timeout: float | None, gone: Gone) -> None:
        self.applied.append((config, timeout))
        for name in self.values:
            self.values[name] += 3

    def value(self, name: str) -> int:
        return self.values.get(name, 0)


def request(config: str = LIST, *names: str) -> Any:
    """A ReloadConfigRequest with this config and these metric names."""
    message = ReloadConfigRequest(metric_names=names)
    text_format.Parse(config, message.config)
    return message


def test_success_is_an_ok_status_and_nothing_else() -> None:
    """The response has a status message, which is what clients look for, and no metrics unless asked."""
    metrics = Metrics(a=1)
    response = reload(request(), metrics.apply, metrics.value, timeout_ms=0, gone=never)
    assert response.SerializeToString() == b"\n\0"
    assert [str(config).split()[0] for config, _ in metrics.applied] == ["model_config_list"]


@pytest.mark.parametrize(
    ("timeout_ms", "seconds"),
    [
        pytest.param(0, None, id="no deadline"),
        pytest.param(1500, 1.5, id="deadline"),
        pytest.param(2**53, None, id="no deadline as grpcio tells it"),
    ],
)
def test_deadline_bounds_the_wait(timeout_ms: int, seconds: float | None) -> None:
    """The caller's deadline is the wait's; without one there is no limit."""
    metrics = Metrics()
    reload(request(), metrics.apply, metrics.value, timeout_ms=timeout_ms, gone=never)
    assert [timeout for _, timeout in metrics.applied] == [seconds]


def test_metrics_are_increases_each_name_once() -> None:
    """Names asked for twice come once, unknown ones are 0."""
    metrics = Metrics(a=5, b=7)
    names = ("/tensorflow/b", "/tensorflow/a", "/tensorflow/none", "/tensorflow/a")
    response = reload(request(LIST, *names), metrics.apply, metrics.value, timeout_ms=0, gone=never)
    assert [(metric.name, metric.int64_value_increase) for metric in response.metric] == [
        ("/tensorflow/a", 3),
        ("/tensorflow/b", 3),
        ("/tensorflow/none", 0),
    ]


def test_a_server_without_metrics_says_zero() -> None:
    """Every name is unknown there."""
    metrics = Metrics()
    response = reload(request(LIST, "/tensorflow/a"), metrics.apply, metrics.value, timeout_ms=0, gone=never)
    assert [metric.int64_value_increase for metric in response.metric] == [0]


@pytest.mark.parametrize(
    "config", [pytest.param("", id="nothing"), pytest.param("custom_model_config {}", id="custom")]
)
def test_only_lists_are_taken(config: str) -> None:
    """INVALID_ARGUMENT, and nothing is applied."""
    metrics = Metrics()
    with pytest.raises(ServingError) as raised:
        reload(request(config), metrics.apply, metrics.value, timeout_ms=0, gone=never)
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, ONLY_LISTS)
    assert metrics.applied == []


def test_entries_and_failures_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log has each entry, and the text that the client gets."""

    def refuse(config: Any, timeout: float | None, gone: Gone) -> None:
        raise ServingError(Code.UNKNOWN, "it did not work")

    with caplog.at_level(logging.INFO, "serving"), pytest.raises(ServingError):
        reload(request(), refuse, Metrics().value, timeout_ms=0, gone=never)
    assert caplog.messages == [
        "\nConfig entry\n\tindex : 0\n\tpath : /models/m\n\tname : m\n\tplatform : tensorflow",
        "ReloadConfig failed: it did not work",
    ]


def test_a_long_call_is_made_elsewhere() -> None:
    """Its answer comes from another thread."""
    answer = LongCall(lambda gone: threading.current_thread().name.encode()).elsewhere()
    assert answer.result(TIMEOUT_SECONDS) == b"long-call"


def test_a_long_calls_error_is_its_answer() -> None:
    """What is raised is raised to whoever waits."""
    error = ServingError(Code.UNKNOWN, "no")

    def fail(gone: Gone) -> bytes:
        raise error

    assert LongCall(fail).elsewhere().exception(TIMEOUT_SECONDS) is error


@pytest.mark.parametrize("fails", [pytest.param(False, id="answers"), pytest.param(True, id="fails")])
def test_a_long_call_hears_that_its_caller_is_gone(fails: bool) -> None:
    """Cancelling the answer is heard by what is being done, whose end then interests nobody."""
    cancelled, ended = threading.Event(), threading.Event()
    heard: list[bool] = []

    def do(gone: Gone) -> bytes:
        assert cancelled.wait(TIMEOUT_SECONDS)
        heard.append(gone())
        ended.set()
        if fails:
            raise ServingError(Code.CANCELLED, "gone")
        return b"late"

    answer = LongCall(do).elsewhere()
    assert answer.cancel()
    cancelled.set()
    assert ended.wait(TIMEOUT_SECONDS)
    assert heard == [True]
    assert answer.cancelled()
