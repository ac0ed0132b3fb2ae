"""SageMaker's and Vertex AI's environment variables, which others read, and the flags that they come to.

docs/dialects.md has both as tables.
"""

import re
from collections.abc import Mapping, Sequence

from serving.errors import Code, ConfigurationError, invalid_configuration

_SERVE = "serve"
"""The one argument that SageMaker starts a container with."""

_SAGEMAKER = (
    "SAGEMAKER_BIND_TO_PORT",
    "SAGEMAKER_SAFE_PORT_RANGE",
    "SAGEMAKER_MULTI_MODEL",
    "SAGEMAKER_TFS_DEFAULT_MODEL_NAME",
)
"""Variables that are there for a container that serves only: notebooks and training jobs have others of the kind."""

_THREADS = {
    "SAGEMAKER_TFS_INTER_OP_PARALLELISM": "tensorflow_inter_op_parallelism",
    "SAGEMAKER_TFS_INTRA_OP_PARALLELISM": "tensorflow_intra_op_parallelism",
}
_VERTEX_AI = {
    "AIP_HTTP_PORT": "rest_api_port",
    "AIP_PREDICT_ROUTE": "vertex_ai_predict_route",
    "AIP_HEALTH_ROUTE": "vertex_ai_health_route",
}
_PORT = r"0*([1-9][0-9]{0,4})"
_RANGE = r"([0-9]{1,5})-([0-9]{1,5})"
_LARGEST_PORT = 65535


def with_hosting(arguments: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """The arguments behind the flags that ``variables`` stand for: of equal flags the last wins, which is one by hand.

    ``serve`` as the first argument is SageMaker's word for all of that. Raises ConfigurationError for a value of a
    variable that cannot be used.
    """
    serve = list(arguments[:1]) == [_SERVE]
    flags = []
    if serve or any(variables.get(name) for name in _SAGEMAKER):
        flags += _sagemaker(variables)
    flags += _vertex_ai(variables, arguments)
    return [*flags, *arguments[serve:]]


def _sagemaker(variables: Mapping[str, str]) -> list[str]:
    port = _port("SAGEMAKER_BIND_TO_PORT", variables.get("SAGEMAKER_BIND_TO_PORT") or "8080")
    # A model that cannot be loaded is told at once, as by the container that others come from.
    flags = ["--sagemaker", f"--rest_api_port={port}", "--max_num_load_retries=0"]
    if _is_true(variables, "SAGEMAKER_MULTI_MODEL"):
        flags.append("--sagemaker_multi_model")
    if _is_true(variables, "SAGEMAKER_TFS_ENABLE_BATCHING"):
        flags.append("--enable_batching")
    name = variables.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME", "")
    if name not in ("", "None"):  # as the other container has it for none
        flags.append(f"--default_model={name}")
    if ports := variables.get("SAGEMAKER_SAFE_PORT_RANGE"):
        flags.append(f"--port={_grpc_port(ports, port)}")
    return flags + [f"--{flag}={variables[each]}" for each, flag in _THREADS.items() if variables.get(each)]


def _grpc_port(ports: str, taken: int) -> int:
    """The first port of a range that is not ``taken``."""
    found = re.fullmatch(_RANGE, ports, re.ASCII)
    low, high = map(int, found.groups()) if found else (0, 0)
    first = low + (low == taken)
    if not 0 < first <= high <= _LARGEST_PORT:
        raise invalid_configuration(
            f"SAGEMAKER_SAFE_PORT_RANGE is {ports}; expected two ports, the lower one first, such as 14000-14999, with "
            "one for gRPC among them"
        )
    return first


def _vertex_ai(variables: Mapping[str, str], arguments: Sequence[str]) -> list[str]:
    if port := variables.get("AIP_HTTP_PORT"):
        _port("AIP_HTTP_PORT", port)
    flags = [f"--{flag}={variables[name]}" for name, flag in _VERTEX_AI.items() if variables.get(name)]
    uri = variables.get("AIP_STORAGE_URI", "")
    if uri and not any(each.startswith(("--model_base_path=", "--model_config_file=")) for each in arguments):
        flags.append(f"--model_base_path={_directory(uri)}")
    return flags


def _directory(uri: str) -> str:
    path = uri.removeprefix("file://")
    if path.startswith("gs://"):
        return path
    if "://" in path:
        raise ConfigurationError(
            Code.UNIMPLEMENTED,
            f"AIP_STORAGE_URI is {uri}, which Vertex AI does not give; expected gs:// or a directory of "
            "the container with version directories in it. Put the model into the image, or mount it, and say where it "
            "is by --model_base_path: then this variable does not count",
        )
    from pathlib import Path  # only here: a mistyped flag is told without

    if not path.startswith("/") or "\0" in path or Path(path, "saved_model.pb").is_file():
        raise invalid_configuration(
            f"AIP_STORAGE_URI is {uri}; expected the absolute path of a directory that has versions of the model, such "
            f"as {path.rstrip('/')}/1/saved_model.pb, and is none itself"
        )
    return path


def _is_true(variables: Mapping[str, str], name: str) -> bool:
    value = variables.get(name, "")
    if value.lower() not in ("", "true", "false"):
        raise invalid_configuration(f"{name} is {value}; expected true or false")
    return value.lower() == "true"


def _port(name: str, text: str) -> int:
    found = re.fullmatch(_PORT, text, re.ASCII)
    if found is None or int(found[1]) > _LARGEST_PORT:
        raise invalid_configuration(f"{name} is {text}; expected a port from 1 to {_LARGEST_PORT}")
    return int(found[1])
