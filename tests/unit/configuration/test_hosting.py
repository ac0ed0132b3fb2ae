"""SageMaker's and Vertex AI's variables as flags."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from serving.configuration.hosting import with_hosting
from serving.errors import Code, ConfigurationError
from serving.settings import parse

ON_SAGEMAKER = ["--sagemaker", "--rest_api_port=8080", "--max_num_load_retries=0"]


def flags(*arguments: str, **variables: str) -> list[str]:
    """The arguments that the server gets."""
    return with_hosting(arguments, variables)


def test_elsewhere_nothing_changes() -> None:
    """Variables that training jobs and notebooks have, too, mean nothing, and neither do empty ones."""
    variables = {
        "SAGEMAKER_REGION": "x",
        "SAGEMAKER_BIND_TO_PORT": "",
        "AIP_MODEL_DIR": "gs://a",
        "AIP_STORAGE_URI": "",
    }
    assert with_hosting(["--port=1", "serve"], variables) == ["--port=1", "serve"]


def test_serve() -> None:
    """SageMaker's one argument: its paths, on port 8080; the word itself is no flag."""
    assert flags("serve", "--port=1") == [*ON_SAGEMAKER, "--port=1"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"SAGEMAKER_BIND_TO_PORT": "9001"}, "--rest_api_port=9001", id="port"),
        pytest.param({"SAGEMAKER_MULTI_MODEL": "true"}, "--sagemaker_multi_model", id="multi-model"),
        pytest.param({"SAGEMAKER_TFS_DEFAULT_MODEL_NAME": "m"}, "--default_model=m", id="default model"),
        pytest.param({"SAGEMAKER_SAFE_PORT_RANGE": "14000-14999"}, "--port=14000", id="safe ports"),
        pytest.param({"SAGEMAKER_SAFE_PORT_RANGE": "8080-8082"}, "--port=8081", id="safe ports with that of REST"),
    ],
)
def test_variables_of_sagemaker(variables: Mapping[str, str], expected: str) -> None:
    """Each of these is a sign of SageMaker by itself."""
    found = with_hosting([], variables)
    assert "--sagemaker" in found
    assert expected in found


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SAGEMAKER_TFS_ENABLE_BATCHING": "True"}, ["--enable_batching"]),
        ({"SAGEMAKER_TFS_INTER_OP_PARALLELISM": "2"}, ["--tensorflow_inter_op_parallelism=2"]),
        ({"SAGEMAKER_TFS_INTRA_OP_PARALLELISM": "3"}, ["--tensorflow_intra_op_parallelism=3"]),
        ({"SAGEMAKER_TFS_DEFAULT_MODEL_NAME": "None", "SAGEMAKER_MULTI_MODEL": "false"}, []),
    ],
)
def test_more_variables_of_sagemaker(variables: Mapping[str, str], expected: list[str]) -> None:
    """What else the container of AWS reads, as far as there is a flag for it."""
    assert with_hosting(["serve"], variables) == [*ON_SAGEMAKER, *expected]
    assert "--sagemaker" in with_hosting([], variables) or "SAGEMAKER_MULTI_MODEL" not in variables


def test_vertex_ai(tmp_path: Path) -> None:
    """Port, routes and the directory of the model."""
    found = flags(
        AIP_HTTP_PORT="8080", AIP_PREDICT_ROUTE="/predict", AIP_HEALTH_ROUTE="/health", AIP_STORAGE_URI=str(tmp_path)
    )
    assert found == [
        "--rest_api_port=8080",
        "--vertex_ai_predict_route=/predict",
        "--vertex_ai_health_route=/health",
        f"--model_base_path={tmp_path}",
    ]


def test_flags_win() -> None:
    """What is given by hand comes last, and the last of equal flags counts."""
    found = with_hosting(["serve", "--rest_api_port=1"], {"SAGEMAKER_BIND_TO_PORT": "9001"})
    assert parse(found, 1).settings.rest_api_port == 1


def test_a_directory_by_hand_makes_an_object_store_meaningless() -> None:
    """The model may be in the image although the platform has another copy."""
    assert flags("--model_base_path=/m", AIP_STORAGE_URI="gs://bucket/m") == ["--model_base_path=/m"]
    assert flags("--model_config_file=/m", AIP_STORAGE_URI="gs://bucket/m") == ["--model_config_file=/m"]


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        pytest.param({"SAGEMAKER_BIND_TO_PORT": "http"}, "SAGEMAKER_BIND_TO_PORT is http; expected a port", id="port"),
        pytest.param({"SAGEMAKER_BIND_TO_PORT": "65536"}, "from 1 to 65535", id="large port"),
        pytest.param({"SAGEMAKER_BIND_TO_PORT": "0"}, "from 1 to 65535", id="no port"),
        pytest.param({"SAGEMAKER_MULTI_MODEL": "yes"}, "SAGEMAKER_MULTI_MODEL is yes; expected true", id="truth"),
        pytest.param({"SAGEMAKER_SAFE_PORT_RANGE": "14000"}, "expected two ports, the lower one first", id="one port"),
        pytest.param({"SAGEMAKER_SAFE_PORT_RANGE": "9-8"}, "expected two ports, the lower one first", id="backwards"),
        pytest.param({"SAGEMAKER_SAFE_PORT_RANGE": "8080-8080"}, "with one for gRPC among them", id="no port left"),
        pytest.param({"AIP_HTTP_PORT": "-1"}, "AIP_HTTP_PORT is -1; expected a port from 1 to 65535", id="Vertex AI"),
        pytest.param({"AIP_STORAGE_URI": "models/m"}, "expected the absolute path of a directory", id="relative"),
    ],
)
def test_refused(variables: Mapping[str, str], text: str) -> None:
    """The error names the variable, its value and what was expected."""
    with pytest.raises(ConfigurationError) as error:
        with_hosting([], variables)
    assert error.value.code is Code.INVALID_ARGUMENT
    assert text in error.value.text


def test_object_stores_are_refused() -> None:
    """All but Google's, which is Vertex AI's own: with what to do instead."""
    assert "--model_base_path=gs://bucket/m" in flags(AIP_STORAGE_URI="gs://bucket/m")
    with pytest.raises(ConfigurationError, match="AIP_STORAGE_URI is s3://bucket/m, which Vertex AI does not") as error:
        flags(AIP_STORAGE_URI="s3://bucket/m")
    assert error.value.code is Code.UNIMPLEMENTED
    assert "--model_base_path" in error.value.text


def test_a_saved_model_itself_is_refused(tmp_path: Path) -> None:
    """Vertex AI's own containers are given a SavedModel; this server wants versions."""
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ConfigurationError, match=r"such as .*/1/saved_model.pb, and is none itself"):
        flags(AIP_STORAGE_URI=f"file://{tmp_path}")
