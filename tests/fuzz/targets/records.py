"""Recorded requests: the framing of their files, the records in it, and what warm-up binds to a version."""

import io
from functools import partial
from random import Random
from typing import Any

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError

from serving.codecs import tfrecord
from serving.codecs.protobuf import prediction_log
from serving.codecs.protobuf.prediction_log import LogType
from serving.codecs.tfrecord import DamagedError
from serving.core.model_spec import ModelSpec
from serving.core.plans import Plans
from serving.core.tensor import DataType, Tensor
from serving.inference import messages as requests
from serving.inference import warmup
from serving.protos import Example, PredictionLog, PredictRequest
from tests.fuzz import messages
from tests.fuzz.drawing import chance, mutated, some_bytes
from tests.fuzz.target import Target, unless_refused
from tests.unit.inference.warming import Servable

_DAMAGED = 8
"""In a hundred."""


def _records(random: Random) -> bytes:
    records = [
        messages.filled(random, Example).SerializeToString() if chance(random, 50) else some_bytes(random, 30)
        for _ in range(random.randrange(5))
    ]
    data = b"".join(map(tfrecord.frame, records)) + (some_bytes(random, 11) if chance(random, 10) else b"")
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check_records(data: bytes) -> bool:
    """Nothing is asked for that the file has not: what is read in all is what there is."""
    file, asked = io.BytesIO(data), 0

    def read(size: int) -> bytes:
        nonlocal asked
        assert 0 <= size <= max(len(data), 12)
        asked += size
        return file.read(size)

    found: list[bytes] = []
    expected, is_whole = _read_by_hand(data)
    try:
        found.extend(tfrecord.records(read, len(data)))
    except DamagedError:
        assert not is_whole
    else:
        assert is_whole
    assert found == expected
    assert asked <= len(data) + 24
    assert data.startswith(b"".join(map(tfrecord.frame, found)))
    return is_whole


def _read_by_hand(data: bytes) -> tuple[list[bytes], bool]:
    """The whole records at the beginning, and whether there is nothing wrong with the rest."""
    found: list[bytes] = []
    while len(data) >= 12:
        length, end = int.from_bytes(data[:8], "little"), int.from_bytes(data[:8], "little") + 16
        if _masked(data[:8]) != data[8:12] or end > len(data) or _masked(data[12 : end - 4]) != data[end - 4 : end]:
            return found, False
        found.append(data[12 : 12 + length])
        data = data[end:]
    return found, True


def _masked(data: bytes) -> bytes:
    checksum: int = google_crc32c.value(data)
    return ((((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def _log(random: Random) -> bytes:
    log = messages.filled(random, PredictionLog)
    if chance(random, 60):
        request = log.predict_log.request
        request.inputs["x"].CopyFrom(messages.tensor(random))
        request.model_spec.signature_name = random.choice(("", "serving_default", "x"))
    elif chance(random, 60):
        request = getattr(log, random.choice(("classify_log", "regress_log"))).request
        request.model_spec.signature_name = random.choice(("classify", "regress"))
        request.input.example_list.examples.append(messages.filled(random, Example))
    data: bytes = log.SerializeToString()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check_log(data: bytes) -> bool:
    log = unless_refused(lambda: warmup.parse(data, "file"))
    if log is None:
        _assert_no_message(data)
        return False
    for check_method_names in (False, True):
        bind = partial(requests.recorded, Plans(Servable()), log, check_method_names=check_method_names)
        recorded = unless_refused(bind)
        if recorded is not None:
            assert len(recorded.tensors) == len(recorded.plan.aliases)
    return True


def _assert_no_message(data: bytes) -> None:
    try:
        PredictionLog.FromString(data)
    except DecodeError:
        return
    raise AssertionError("protobuf takes it")


def _written(random: Random) -> bytes:
    request = messages.filled(random, PredictionLog).predict_log.request.SerializeToString()
    name = random.choice(("m", "ü", "", "a" * 300)).encode()
    return bytes((len(name) % 256,)) + name[:255] + (mutated(random, request) if chance(random, 20) else request)


def _check_written(data: bytes) -> bool:
    """What a REST request is logged as has the request's address and its tensor."""
    size = data[0] if data else 0
    name, request = data[1 : 1 + size].decode("utf-8", "replace"), data[1 + size :]
    name = name or "m"  # as every path has
    values = np.frombuffer(request[: len(request) // 4 * 4], np.float32)
    spec = ModelSpec(name, len(request), None, "s")
    for before in (prediction_log.predict_request(spec, {"x": Tensor(DataType.FLOAT, values)}), request):
        written = before + prediction_log.addressed(spec)
        record = prediction_log.encode(LogType.PREDICT, b"", written, b"\xff")
        if record is not None and _is_request(before):
            found: Any = PredictionLog.FromString(record).predict_log.request
            assert (found.model_spec.name, found.model_spec.version.value) == (name, len(request))
    return True


def _is_request(data: bytes) -> bool:
    try:
        PredictRequest.FromString(data)
    except DecodeError:
        return False
    return True


TARGETS = (
    Target(
        name="records.tfrecord",
        promise="the records up to the first damaged one, which is DATA_LOSS; no byte is asked for beyond the file",
        make=_records,
        check=_check_records,
        seeds=(tfrecord.frame(b"one") + tfrecord.frame(b""),),
    ),
    Target(
        name="records.log",
        promise="a call with a tensor for each input, or ServingError",
        make=_log,
        check=_check_log,
        seeds=(b"2\x1b\n\x19\n\x03\n\x01m\x12\x12\n\x01x\x12\r\x08\x01\x12\x02\x12\0\x2a\x04\0\0\x80?",),
        dear=True,
    ),
    Target(
        name="records.written",
        promise="a record that can be read again and has the address of its request, or none",
        make=_written,
        check=_check_written,
    ),
)
