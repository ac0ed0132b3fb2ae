"""What is wrong with flags by themselves: every value of every flag, and flags that do not go together."""

from typing import Any

import pytest

from serving.configuration import flag_values
from serving.errors import Code, ConfigurationError
from serving.settings import FLAGS, Settings

WRONG = [
    pytest.param({"optimize": "Safe"}, "--optimize is 'Safe'; expected off, safe or fast", id="case"),
    pytest.param({"optimize": ""}, "--optimize is ''; expected off, safe or fast", id="empty"),
    pytest.param(
        {"grpc_transport": "carrier"}, "--grpc_transport is 'carrier'; expected native or grpcio", id="transport"
    ),
    pytest.param(
        {"access_log": "xml"}, "--access_log is 'xml'; expected text or json, or nothing for none", id="access log"
    ),
    pytest.param({"tracing": "zipkin"}, "--tracing is 'zipkin'; expected otlp, or nothing for none", id="tracing"),
    pytest.param({"log_format": "xml"}, "--log_format is 'xml'; expected text or json", id="log format"),
    pytest.param(
        {"optimize_engines": "openvino,"},
        "--optimize_engines is 'openvino,'; expected a comma-separated list of tensorflow, openvino",
        id="engines",
    ),
    pytest.param(
        {"optimize_engines": "", "optimize": "off"},
        "--optimize_engines is ''; expected a comma-separated list of tensorflow, openvino",
        id="no engines",
    ),
    pytest.param(
        {"access_log_sampling_rate": 1.5},
        "--access_log_sampling_rate is 1.5; expected a number from 0 to 1",
        id="rate",
    ),
    pytest.param(
        {"shadow": "m:1"},
        "--shadow has the entry 'm:1'; expected MODEL:VERSION:SHARE, such as resnet:124:0.1, a tenth of its requests",
        id="shadow",
    ),
    pytest.param(
        {"grpc_channel_arguments": "a=1,b"},
        "--grpc_channel_arguments has the entry 'b'; expected key=value",
        id="channel arguments",
    ),
    pytest.param(
        {"grpc_channel_arguments": "=1"},
        "--grpc_channel_arguments has the entry '=1'; expected key=value",
        id="channel argument without a key",
    ),
    pytest.param(
        {"port": 0},
        "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.",
        id="no gRPC",
    ),
    pytest.param(
        {"use_alts_credentials": True, "ssl_config_file": "f"},
        "Either use_alts_credentials must be false or ssl_config_file must be empty.",
        id="two kinds of credentials",
    ),
    pytest.param(
        {"batching_parameters_file": "f"},
        "server_options.batching_parameters_file is set without setting server_options.enable_batching to true.",
        id="batching parameters",
    ),
    pytest.param(
        {f"tensorflow_{name}_parallelism": 1 for name in ("session", "intra_op", "inter_op")},
        "Either configure server_options.tensorflow_session_parallelism or "
        "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) separately. "
        "You cannot configure all.",
        id="threads",
    ),
    pytest.param({"model_base_path": ""}, flag_values.NO_MODEL, id="no model"),
]


@pytest.mark.parametrize(("flags", "text"), WRONG)
def test_wrong(flags: dict[str, Any], text: str) -> None:
    """It ends the start, in these words."""
    with pytest.raises(ConfigurationError) as raised:
        flag_values.check(Settings(**{"model_base_path": "/m", **flags}))
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, text)


def test_all_that_is_wrong_is_known() -> None:
    """Whoever asks for everything gets it, and can look at the rest with words that are usable."""
    settings = Settings(optimize="x", optimize_engines="y", log_format="z")
    assert len(list(flag_values.wrong(settings))) == 4
    usable = flag_values.usable(settings)
    assert [error.message for error in flag_values.wrong(usable)] == [flag_values.NO_MODEL]


def test_defaults_are_right() -> None:
    """Every default is one of the choices, and nothing is wrong with them but that there is no model."""
    assert [error.message for error in flag_values.wrong(Settings())] == [flag_values.NO_MODEL]
    assert all(flag.default in flag.choices for flag in FLAGS if flag.choices)


def test_advice() -> None:
    """Where the text has internal names, what to type; where it has flags, nothing more."""
    no_model, *_ = flag_values.wrong(Settings())
    assert "--model_name=NAME --model_base_path=/path/to/NAME" in flag_values.advice(no_model)
    for flags in (
        {"port": 0},
        {"batching_parameters_file": "f"},
        {"use_alts_credentials": True, "ssl_config_file": "f"},
    ):
        error, *_ = flag_values.wrong(Settings(model_base_path="/m", **flags))
        assert "--" in flag_values.advice(error)
    word, *_ = flag_values.wrong(Settings(optimize="x"))
    assert flag_values.advice(word) == ""
