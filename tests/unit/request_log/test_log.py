"""Which requests are drawn, and the records made of them."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from serving.codecs.protobuf.prediction_log import LogType
from serving.core.request_logging import RequestLogging, Task, TaskSampling
from serving.core.servable import ServableId
from serving.errors import Code, ConfigurationError
from serving.protos import PredictionLog, PredictRequest
from serving.request_log.log import RequestLog
from serving.request_log.writer import RecordWriter
from tests.support import TIMEOUT_SECONDS, ManualClock
from tests.unit.request_log.disk import MOMENT, Disk

ID = ServableId(name="m", version=3)
REQUEST = PredictRequest(model_spec={"name": "m"}).SerializeToString()
RESPONSE = b"\x12\x03\x0a\x01m"
ALWAYS = RequestLogging(filename_prefix="m", rate=1.0)


class Log:
    """A request log on a disk in memory."""

    def __init__(self, wanted: Mapping[str, RequestLogging], *, max_queued_bytes: int = 1 << 20, **more: Any) -> None:
        self.disk = Disk()
        self.counted: list[tuple[str, Code]] = []
        self.writer = RecordWriter(
            Path("/logs"), max_file_bytes=1 << 20, max_queued_bytes=max_queued_bytes, create=self.disk.create
        )
        self.log = RequestLog(
            self.writer, clock=ManualClock(MOMENT), count=lambda *each: self.counted.append(each), **more
        )
        self.log.follow(wanted)

    def request(self, servable_id: ServableId = ID, request: bytes = REQUEST) -> bool:
        """One request and its answer; whether it was drawn."""
        drawn = self.log.draws(servable_id)
        if drawn:
            self.log.keeper(LogType.PREDICT, servable_id, "s", lambda tensors, body: (request, body))([], RESPONSE)
        return drawn

    def records(self) -> list[Any]:
        """End the log; everything in it."""
        self.log.close(TIMEOUT_SECONDS)
        return [PredictionLog.FromString(record) for records in self.disk.records.values() for record in records]


def test_rate_one_draws_every_request() -> None:
    """All requests of the model are in the log."""
    log = Log({"m": ALWAYS})
    assert [log.request() for _ in range(50)] == [True] * 50
    assert len(log.records()) == 50


def test_rate_zero_draws_none() -> None:
    """A model may be listed without being logged, and nothing is started for it."""
    log = Log({"m": RequestLogging(filename_prefix="m", rate=0.0)}, chance=lambda: 0.0)
    assert [log.request() for _ in range(50)] == [False] * 50
    assert log.records() == []


@pytest.mark.parametrize("seed", range(3))
def test_rate_is_a_probability(seed: int) -> None:
    """About a quarter of many requests is drawn with the rate 0.25, each on its own."""
    log = Log({"m": RequestLogging(filename_prefix="m", rate=0.25)}, chance=random.Random(seed).random)
    drawn = [log.request() for _ in range(2000)]
    again = random.Random(seed)
    assert drawn == [again.random() < 0.25 for _ in range(2000)]
    assert 400 < sum(drawn) < 600
    assert len(log.records()) == sum(drawn)


def test_rate_of_the_task() -> None:
    """The entry for this server's data centre holds instead of the general rate."""
    logging = RequestLogging(filename_prefix="m", rate=1.0, tasks=(TaskSampling(rate=0.0, dc="north"),))
    assert Log({"m": logging}, task=Task(dc="south")).request()
    assert not Log({"m": logging}, task=Task(dc="north")).request()


def test_models_that_are_not_listed() -> None:
    """Requests to other models are not drawn."""
    log = Log({"m": ALWAYS})
    assert not log.request(ServableId(name="other", version=1))


def test_another_list_takes_the_place_of_the_first() -> None:
    """After a reload the new list holds, and the old one does not."""
    log = Log({"m": ALWAYS})
    log.log.follow({"n": RequestLogging(filename_prefix="n", rate=1.0)})
    assert (log.request(), log.request(ServableId(name="n", version=1))) == (False, True)


def test_request_whose_model_is_dropped_meanwhile() -> None:
    """A request that was drawn before a reload ended its logging is not written after it."""
    log = Log({"m": ALWAYS})
    keep = log.log.keeper(LogType.PREDICT, ID, "s", lambda tensors, body: (REQUEST, body))
    log.log.follow({})
    keep([], RESPONSE)
    assert (log.counted, log.records()) == ([], [])


def test_record() -> None:
    """A record says which version answered, when, and how it was drawn, beside the request and its answer."""
    log = Log({"m": RequestLogging(filename_prefix="m", rate=1.0, attributes=4)}, tags=("serve",), task=Task(dc="dc"))
    log.request()
    (record,) = log.records()
    expected = PredictionLog()
    metadata = expected.log_metadata
    metadata.model_spec.name, metadata.model_spec.version.value, metadata.model_spec.signature_name = "m", 3, "s"
    metadata.sampling_config.sampling_rate, metadata.sampling_config.attributes = 1.0, 4
    metadata.saved_model_tags.append("serve")
    metadata.timestamp_secs, metadata.dc = int(MOMENT), "dc"
    expected.predict_log.request.ParseFromString(REQUEST)
    expected.predict_log.response.model_spec.name = "m"
    assert record == expected


def test_prefixes_name_the_files() -> None:
    """Models with the same prefix share a file, others do not."""
    wanted = {name: RequestLogging(filename_prefix=prefix, rate=1.0) for name, prefix in ("mx", "nx", "oy")}
    log = Log(wanted)
    for name in wanted:
        log.request(ServableId(name=name, version=1))
    log.records()
    assert {name[0]: len(records) for name, records in log.disk.records.items()} == {"x": 2, "y": 1}


def test_requests_are_counted_by_what_becomes_of_them() -> None:
    """Written, dropped for want of room, and unreadable requests count apart; those not drawn do not count."""
    log = Log({"m": ALWAYS})
    log.request()
    log.request(request=b"\x0a\x03\x0a\x01\xff")
    log.log.close(TIMEOUT_SECONDS)
    log.request()
    assert log.counted == [("m", Code.OK), ("m", Code.INVALID_ARGUMENT)]


def test_dropped_requests_are_counted() -> None:
    """A request that finds the queue full counts as RESOURCE_EXHAUSTED."""
    log = Log({"m": ALWAYS}, max_queued_bytes=1)
    log.request()
    assert (log.counted, log.records()) == ([("m", Code.RESOURCE_EXHAUSTED)], [])


def test_defect_in_logging_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """A request that cannot be turned into a record was answered all the same."""

    def broken(tensors: object, body: bytes) -> tuple[bytes, bytes]:
        raise ValueError("a defect")

    log = Log({"m": ALWAYS})
    log.log.keeper(LogType.PREDICT, ID, "s", broken)([], RESPONSE)
    assert caplog.messages == ["A request of {name: m version: 3} cannot be logged"]
    assert (log.counted, log.records()) == ([("m", Code.INTERNAL)], [])


def test_full_disk_ends_drawing() -> None:
    """After a failure no request is made into a record any more."""
    log = Log({"m": ALWAYS})
    log.disk.room = 0
    assert log.request()
    log.writer.close(TIMEOUT_SECONDS)
    assert log.writer.failed
    assert not log.request()


def test_logging_without_a_place_is_refused() -> None:
    """Without a directory a logging_config is what it is for TensorFlow Serving."""
    with pytest.raises(ConfigurationError) as raised:
        RequestLog().check({"m": ALWAYS})
    assert (raised.value.code, raised.value.message) == (
        Code.INVALID_ARGUMENT,
        "No request-logger-creator provided.",
    )


def test_nothing_wanted_needs_no_place() -> None:
    """Without logging_config there is nothing to refuse and nothing to draw."""
    log = RequestLog()
    log.check({})
    log.follow({})
    assert not log.draws(ID)
    log.close()
