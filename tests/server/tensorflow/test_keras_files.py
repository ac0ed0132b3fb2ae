"""A version whose model is a `.keras` file: converted where there is Keras, else an error says what to do."""

import json
import re
import shutil
from pathlib import Path

import pytest

from serving.errors import Code, ServingError
from serving.loading.keras_files import convert
from tests.conftest import made_by
from tests.support.server_process import ServerProcess

SCRIPT = Path(__file__).parent / "make_keras_files.py"
CONVERTING_SECONDS = 400
"""To import Keras and TensorFlow takes some seconds, and a minute or more where others take the processors."""

pytestmark = pytest.mark.timeout(CONVERTING_SECONDS)
ANSWER = [[6.5 * 4096] * 2]
BODY = '{"instances": [[1, 2, 3.5]]}'
HIDING = 'import sys\nsys.modules["keras"] = None\n'


@pytest.fixture(scope="module")
def keras_files(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of ``make_keras_files.py``, to be written to."""
    directory = tmp_path_factory.mktemp("keras") / "models"
    shutil.copytree(made_by(SCRIPT, pytestconfig, tmp_path_factory), directory)
    return directory


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory that is still to be made."""
    return tmp_path_factory.mktemp("cache") / "kept"


@pytest.fixture(scope="module")
def without_keras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which Python finds no Keras."""
    directory = tmp_path_factory.mktemp("hiding")
    (directory / "sitecustomize.py").write_text(HIDING)
    return {"PYTHONPATH": str(directory)}


def predictions(server: ServerProcess) -> object:
    """What the model answers."""
    status, answer = server.rest("POST", "/v1/models/default:predict", BODY)
    assert status == 200, answer
    return json.loads(answer)["predictions"]


def test_it_is_converted_and_served(keras_files: Path, cache: Path) -> None:
    """The numbers are Keras's; whether to optimise it is seen in what was made, of which the cache alone stays."""
    limit = "--optimize_max_weights_bytes=1"
    flags = (f"--model_base_path={keras_files / 'sum'}", f"--optimize_cache_dir={cache}", limit)
    with ServerProcess(flags, wait=False) as server:
        server.wait_until_serving(CONVERTING_SECONDS)
        assert predictions(server) == ANSWER
    said = "".join(server.output)
    assert f"Converting {keras_files}/sum/1/model.keras into a SavedModel" in said
    assert re.search(rf"version: 1\}} is served as it is saved: its weights have \d+ bytes, more than {limit}", said), (
        said
    )
    assert [each.name for each in cache.iterdir() if not each.name.startswith("keras-")] == []
    assert [each.name for each in (keras_files / "sum" / "1").iterdir()] == ["model.keras"]


def test_what_was_made_is_kept(keras_files: Path, cache: Path, without_keras: dict[str, str]) -> None:
    """The next start converts nothing: it needs no Keras."""
    flags = (f"--model_base_path={keras_files / 'sum'}", f"--optimize_cache_dir={cache}", "--optimize=off")
    with ServerProcess(flags, environment=without_keras) as server:
        assert predictions(server) == ANSWER


def test_without_keras(keras_files: Path, without_keras: dict[str, str]) -> None:
    """The start fails, and says which command writes what could be served; so does the doctor."""
    version = keras_files / "sum" / "1"
    flags = (f"--model_base_path={version.parent}", "--max_num_load_retries=0")
    with ServerProcess(flags, wait=False, environment=without_keras) as server:
        assert server.wait() == 255
    said = "".join(server.output)
    load = f"keras.saving.load_model('{version}/model.keras')"
    command = f"python -c \"import keras; {load}.export('{version}')\""
    assert f"{version}/model.keras is a Keras model, and Keras is not installed here" in said
    assert command in said
    assert "has to be converted by Keras, which is not installed here" in said


def test_code_in_a_model_is_not_run(keras_files: Path, tmp_path: Path) -> None:
    """A Lambda layer is refused, with Keras's reason and ours; nothing stays behind."""
    with pytest.raises(ServingError, match="safe_mode=True") as refused:
        convert(keras_files / "lambda" / "1", tmp_path)
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert "Lambda" in refused.value.text.partition("(It is loaded")[0]
    assert list(tmp_path.iterdir()) == []
