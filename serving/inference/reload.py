"""Reload: a new list of models in place of the old, by request (docs/models.md, "Reload").

What a list means is decided elsewhere; this is the request's form, its log lines and its metrics.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from serving.errors import ServingError, invalid_argument
from serving.inference.long_call import Gone
from serving.protos import ReloadConfigResponse

Apply = Callable[[Any, float | None, Gone], None]
"""Puts a ModelServerConfig into effect and waits for its new models: ``Models.reload``, with seconds or None."""

MetricValue = Callable[[str], int]
"""The present value of a metric's first point, by its name in the form ``/tensorflow/…``; 0 for an unknown one."""

_LONGEST_SECONDS = 365 * 24 * 3600.0
"""What has a deadline beyond this has none; grpcio gives centuries for that, which no wait takes."""

_log = logging.getLogger("serving")


def reload(request: Any, apply: Apply, metric_value: MetricValue, *, timeout_ms: int, gone: Gone) -> Any:
    """The ReloadConfigResponse to a ReloadConfigRequest. Blocks; none if not positive is ``timeout_ms``' limit."""
    before = {name: metric_value(name) for name in sorted(set(request.metric_names))}
    try:
        _check(request.config)
        apply(request.config, wait_seconds(timeout_ms), gone)
    except ServingError as error:
        _log.error("ReloadConfig failed: %s", error.text)
        raise
    # What a version had counted goes with it, and then another point is the first.
    return _response({name: max(metric_value(name) - value, 0) for name, value in before.items()})


def wait_seconds(timeout_ms: int) -> float | None:
    """How long a wait may last, None for as long as it takes."""
    seconds = timeout_ms / 1000
    return seconds if 0 < seconds <= _LONGEST_SECONDS else None


def _check(config: Any) -> None:
    if config.WhichOneof("config") != "model_config_list":
        raise invalid_argument(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
            "supported"
        )
    for index, entry in enumerate(config.model_config_list.config):
        _log.info(
            "\nConfig entry\n\tindex : %d\n\tpath : %s\n\tname : %s\n\tplatform : %s",
            index,
            entry.base_path,
            entry.name,
            entry.model_platform,
        )


def _response(increases: Mapping[str, int]) -> Any:
    response = ReloadConfigResponse()
    response.status.SetInParent()
    for name, increase in increases.items():
        response.metric.add(name=name, int64_value_increase=increase)
    return response
