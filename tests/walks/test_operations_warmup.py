"""The page examples/operations/warmup: logged requests of version 1 are made on version 2 before it is available."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from serving.protos import PredictionLog
from serving.request_log.files import RotatingFile
from tests.unit.request_log.disk import read, read_all
from tests.walks.walk import Walk

pytestmark = pytest.mark.timeout(300)

RECORDS = 20
WARMUP = "models/recorded/2/assets.extra/tf_serving_warmup_requests"
MAKE = "python examples/operations/warmup/make_warmup.py"
AVAILABLE = "Successfully loaded servable version {name: recorded version: 2}"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Walk("operations/warmup", tmp_path_factory.mktemp("warmup")) as walk:
        walk.run()
        yield walk


def test_file_has_the_first_records(walk: Walk) -> None:
    """The warm-up is the first requests of the log, whole and in order: the client sends 0, 1, 2, each beside a 1."""
    records = list(read((walk.directory / WARMUP).read_bytes()))
    assert records == read_all(walk.directory / "models/recorded.log")[:RECORDS]
    logs = [PredictionLog.FromString(record).predict_log for record in records]
    answers = [list(log.response.outputs["y"].float_val) for log in logs]
    assert answers == [[number / 2 + 2, 2.5] for number in range(RECORDS)]


def test_server_says_how_long_it_took(walk: Walk) -> None:
    """The log has the number of records and the time, before version 2 becomes available."""
    finished = walk.server.wait_for(
        rf"Finished reading warmup data for model at \S+/{WARMUP}\. Number of warmup records read: (\d+)\. "
        r"Elapsed time \(microseconds\): (\d+)"
    )
    log = "".join(walk.server.output)
    assert int(finished[1]) == RECORDS
    assert int(finished[2]) > 0
    assert log.index(finished[0]) < log.index(AVAILABLE)


def test_metrics_say_so_too(walk: Walk) -> None:
    """The metrics page counts one warm-up with its records."""
    output = walk.output("model_warmup_")
    assert re.search(
        rf'^\S*:model_warmup_records_read{{model_path="\S+/2",status="OK"}} {RECORDS}$', output, re.MULTILINE
    )
    assert re.search(r'^\S*:model_warmup_latency_count{model_path="\S+/2",status="OK"} 1$', output, re.MULTILINE)


def test_version_2_answers(walk: Walk) -> None:
    """Version 2 serves after its warm-up: half plus three."""
    output = walk.output("versions/2:predict")
    answer, _ = json.JSONDecoder().raw_decode(output)
    assert answer == {"predictions": [3.5, 4.0, 5.5]}


def test_times_are_printed(walk: Walk) -> None:
    """The client prints the first time and the others, of either version."""
    printed = re.compile(r"first request: [\d.]+ ms; median of 99 more: [\d.]+ ms\n")
    assert all(
        printed.search(walk.output(words))
        for words in ("ls models/recorded.log", "client.py --server=localhost:8500 --version=2")
    )


def test_first_request_of_version_2_is_the_clients(walk: Walk) -> None:
    """What the client calls the first request is the first that version 2 got: nobody else has asked before."""
    logs = [PredictionLog.FromString(record) for record in read_all(walk.directory / "models/recorded.log")]
    asked = [log.predict_log.request for log in logs if log.log_metadata.model_spec.version.value == 2]
    assert np.frombuffer(asked[0].inputs["x"].tensor_content, np.float32).tolist() == [0, 1]
    assert len(asked) == 101


def test_too_few_records(walk: Walk) -> None:
    """A log that does not have that many records is an error, and no file is written."""
    before = (walk.directory / WARMUP).read_bytes()
    output = walk.shell(f"! {MAKE} models/recorded.log models/recorded/2 --prefix=recorded --records=1000")
    assert "records of recorded in models/recorded.log, 1000 expected" in output
    assert (walk.directory / WARMUP).read_bytes() == before


@pytest.mark.parametrize("prefix", ["some", "some-big", "some model"])
def test_logs_of_the_prefix_alone_are_taken(walk: Walk, tmp_path: Path, prefix: str) -> None:
    """Of models whose names begin alike, or have a blank in them, each has its own records."""
    (tmp_path / "version").mkdir()
    for each in ("some", "some-big", "some model"):
        file = RotatingFile(tmp_path, each, 1000)
        file.append(each.encode())
        file.close()
    walk.shell(f"{MAKE} {tmp_path} {tmp_path}/version --prefix='{prefix}' --records=1")
    warmup = tmp_path / "version/assets.extra/tf_serving_warmup_requests"
    assert list(read(warmup.read_bytes())) == [prefix.encode()]
    assert "1 records of" in walk.shell(f"! {MAKE} {tmp_path} {tmp_path}/version --prefix='{prefix}' --records=2")
