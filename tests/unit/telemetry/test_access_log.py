"""Lines of the access log: what they say, which requests have one, and that nothing breaks out of them."""

import json

import pytest

from serving.core.servable import ServableId
from serving.errors import Code
from serving.inference.long_call import client_gone
from serving.inference.record import RequestRecord
from serving.telemetry.access_log import AccessLog, Sampling, json_line, text_line


def record(**fields: object) -> RequestRecord:
    """A request that took 12 ms: 2 to decode, 3 in a queue, 6 to run, 1 to encode."""
    made = RequestRecord("GRPC", "/p.S/M", "ipv4:10.0.0.1:5", "tfs", "id-1", 1e9, 100.0, 30)
    made.bound(ServableId(name="m", version=3), "canary", "serving_default", 100.002)
    made.run_seconds, made.queue_seconds, made.answer_bytes, made.engine = 0.009, 0.003, 51, "openvino"
    made.end(100.012)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_a_line_of_text_says_all_that_is_known() -> None:
    """Stages are in milliseconds and add up."""
    assert text_line(record(principal="team-a")) == (
        "time=2001-09-09T01:46:40.000000Z request_id=id-1 door=GRPC protocol=tfs method=/p.S/M peer=ipv4:10.0.0.1:5 "
        "principal=team-a model=m version=3 label=canary signature=serving_default status=0 code=OK request_bytes=30 "
        "answer_bytes=51 engine=openvino queue_ms=3.0 decode_ms=2.0 run_ms=6.0 encode_ms=1.0 total_ms=12.0\n"
    )


def test_a_line_of_json_is_one_object() -> None:
    """With the same names; what is not known is not in it."""
    line = json_line(record(code=Code.NOT_FOUND, status=404, error="no such\nmodel", version=None))
    assert line.count("\n") == 1
    said = json.loads(line)
    assert (said["code"], said["status"], said["error"], said["total_ms"]) == ("NOT_FOUND", 404, "no such\nmodel", 12.0)
    assert "version" not in said
    assert "principal" not in said


@pytest.mark.parametrize("hostile", ['a b="c" d\n', "x\r\nstatus=200", "\x1b[31m", "\u2028", 'quote"s'])
def test_what_clients_send_stays_within_its_value(hostile: str) -> None:
    """It ends no line, and no other value begins in it."""
    line = text_line(record(method=hostile))
    assert line.count("\n") == 1
    assert line.isascii()
    assert json.loads(json_line(record(method=hostile)))["method"] == hostile


def test_a_text_from_outside_is_cut() -> None:
    """A name of a megabyte does not become a line of one."""
    assert len(text_line(record(model="m" * 10**6))) < 2000


@pytest.mark.parametrize(
    ("sampling", "drawn", "given", "taken"),
    [
        (Sampling(), 0.999, {}, True),
        (Sampling(rate=0.1), 0.05, {}, True),
        (Sampling(rate=0.1), 0.5, {}, False),
        (Sampling(rate=0.1), 0.5, {"code": Code.INTERNAL}, False),
        (Sampling(rate=0, slow_seconds=0.01), 0.0, {}, True),
        (Sampling(rate=0, slow_seconds=0.02), 0.0, {}, False),
        (Sampling(rate=0, slow_seconds=0.02), 0.0, {"code": Code.INTERNAL}, True),
    ],
)
def test_some_requests_have_a_line(sampling: Sampling, drawn: float, given: dict[str, object], taken: bool) -> None:
    """By rate, or because they are slow or fail."""
    lines: list[str] = []
    AccessLog(lambda _, line: lines.append(line), as_json=False, sampling=sampling, draw=lambda: drawn)(record(**given))
    assert bool(lines) is taken


def test_a_request_that_was_never_bound_was_decoded_until_its_end() -> None:
    """An error's time is the decoding's, and that of waiting for a place the queue's."""
    made = RequestRecord("REST", "POST /", "", "tfs", "id", 1e9, 100.0)
    made.waited_seconds = 0.5
    made.failed(client_gone())
    made.end(101.0)
    assert (made.queue_seconds, made.decode_seconds, made.run_seconds, made.encode_seconds) == (0.5, 0.5, 0.0, 0.0)
    assert (made.code, made.error) == (Code.CANCELLED, "The client has gone")
