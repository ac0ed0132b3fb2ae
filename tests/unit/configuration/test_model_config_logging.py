"""The logging_config of a model in a ModelServerConfig."""

import pytest
from google.protobuf import text_format

from serving.configuration.model_config import decode
from serving.core.request_logging import RequestLogging, TaskSampling
from serving.errors import Code, ConfigurationError
from serving.protos import ModelServerConfig


def logging_of(text: str) -> RequestLogging | None:
    """What becomes of a model ``m`` with these fields more."""
    whole = f'model_config_list {{ config {{ name: "m" base_path: "/m" model_platform: "tensorflow" {text} }} }}'
    models = decode(text_format.Parse(whole, ModelServerConfig()))
    assert models is not None
    return models[0].logging


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", None, id="none"),
        pytest.param("logging_config {}", RequestLogging(filename_prefix="m"), id="empty"),
        pytest.param(
            "logging_config { sampling_config { sampling_rate: 0.25 attributes: 3 } }",
            RequestLogging(filename_prefix="m", rate=0.25, attributes=3),
            id="rate",
        ),
        pytest.param(
            'logging_config { log_collector_config { type: "tfrecord" filename_prefix: "p" } }',
            RequestLogging(filename_prefix="p"),
            id="collector",
        ),
        pytest.param(
            'logging_config { sampling_config { per_task_sampling_configs { dc: "d" task_index: 0 sampling_rate: 1 } '
            "per_task_sampling_configs { sampling_rate: 0.5 } } }",
            RequestLogging(
                filename_prefix="m", tasks=(TaskSampling(rate=1.0, dc="d", index=0), TaskSampling(rate=0.5))
            ),
            id="tasks",
        ),
    ],
)
def test_fields(text: str, expected: RequestLogging | None) -> None:
    """Every field has its place; the prefix is the model's name unless it is given."""
    assert logging_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('log_collector_config { type: "kafka" }', "the collector type 'kafka'", id="collector"),
        pytest.param("custom_logging_config {}", "custom_logging_config", id="custom"),
        pytest.param("sampling_config { sampling_rate: 50 }", "sampling_rate 50.0", id="percentage"),
        pytest.param("sampling_config { sampling_rate: -0.1 }", "sampling_rate -0.1", id="negative"),
        pytest.param("sampling_config { sampling_rate: nan }", "sampling_rate nan", id="not a number"),
        pytest.param(
            "sampling_config { per_task_sampling_configs { sampling_rate: 2 } }", "sampling_rate 2.0", id="of a task"
        ),
    ],
)
def test_what_is_refused(text: str, expected: str) -> None:
    """Other collectors and rates that are no probabilities are errors that name the model."""
    with pytest.raises(ConfigurationError) as raised:
        logging_of(f"logging_config {{ {text} }}")
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message.startswith("Model m has a logging_config with ")
    assert expected in raised.value.message
