"""Environment variables that change something, and those that are merely shown."""

from collections.abc import Mapping

import pytest

from serving.doctor.environment import look
from serving.doctor.finding import Level
from serving.settings import Settings
from tests.unit.doctor.rows import level, only

NO_MODEL, MODEL = Settings(), Settings(model_name="m", model_base_path="/models/m")

WARNINGS = [
    pytest.param({"MODEL_NAME": "m"}, NO_MODEL, "--model_name=m --model_base_path=/models/m", id="without entrypoint"),
    pytest.param({"MODEL_NAME": "n"}, MODEL, "is n, but the model is called m", id="another name"),
    pytest.param({"MODEL_NAME": "m"}, Settings(model_config_file="/c"), "--model_config_file=/c", id="and a file"),
    pytest.param({"OMP_NUM_THREADS": "1"}, MODEL, "--tensorflow_intra_op_parallelism", id="omp"),
    pytest.param({"TF_NUM_INTRAOP_THREADS": "1"}, MODEL, "is overruled", id="tensorflow's threads"),
    pytest.param({"TF_ENABLE_ONEDNN_OPTS": "0"}, MODEL, "without oneDNN", id="onednn"),
    pytest.param({"TF_CPP_MIN_LOG_LEVEL": "0"}, MODEL, "a line for each run that fails", id="log level"),
    pytest.param({"HTTPS_PROXY": "http://p:1"}, MODEL, "ask the proxy for localhost", id="proxy"),
    pytest.param({"http_proxy": "http://p:1", "no_proxy": "a.b"}, MODEL, "no_proxy=localhost", id="proxy, others out"),
]


@pytest.mark.parametrize(("environment", "settings", "expected"), WARNINGS)
def test_warning(environment: Mapping[str, str], settings: Settings, expected: str) -> None:
    """One row with the value and what it does."""
    assert expected in only(look(environment, settings), Level.WARNING).sentence


HARMLESS = [
    pytest.param({}, id="nothing"),
    pytest.param({"MODEL_NAME": "m", "MODEL_BASE_PATH": "/models"}, id="as in the image"),
    pytest.param({"http_proxy": "http://p:1", "NO_PROXY": "a.b, localhost"}, id="proxy, not for this machine"),
    pytest.param({"TF_CPP_MIN_LOG_LEVEL": "2"}, id="the server's own"),
]


@pytest.mark.parametrize("environment", HARMLESS)
def test_nothing_to_say(environment: Mapping[str, str]) -> None:
    """No warning."""
    assert level(look(environment, MODEL), Level.WARNING) == []


def test_password_of_a_proxy_is_not_shown() -> None:
    """A table may be sent to somebody."""
    row = only(look({"http_proxy": "http://me:secret@p:1"}, MODEL), Level.WARNING)
    assert "secret" not in row.sentence
    assert "http://p:1" in row.found


def test_others_are_shown() -> None:
    """What may matter is listed in one row, and the rest of the environment is nobody's business."""
    row = only(look({"CUDA_VISIBLE_DEVICES": "1", "TOKEN": "secret"}, MODEL), Level.OK)
    assert row.found == "CUDA_VISIBLE_DEVICES=1"
