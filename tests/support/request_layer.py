"""The request layer over a manager of the test's own, and the surroundings of a request. No tests."""

from collections.abc import Callable
from typing import Any

from serving.core.manager import Manager
from serving.core.model_spec import ModelSpec
from serving.inference.context import Admit, RequestContext
from serving.inference.placement import Workers
from serving.inference.requests import Requests
from serving.inference.service import Service
from serving.request_log.log import RequestLog
from serving.telemetry.serving_metrics import ServingMetrics

REST = RequestContext("REST")
GRPC = RequestContext("GRPC")


def request_layer(
    manager: Manager,
    *,
    metrics: ServingMetrics | None = None,
    request_log: RequestLog | None = None,
    workers: Workers | None = None,
    check_method_names: bool = False,
    admit: Admit | None = None,
) -> Service:
    """What every protocol calls, without models to reload. Threads of workers start with the first long request."""
    metrics = metrics or ServingMetrics()
    return Service(
        manager,
        metrics,
        Requests(manager, metrics, request_log or RequestLog(), workers or Workers(2), admit),
        _no_reload,
        check_method_names=check_method_names,
        admit=admit,
    )


def admit_all(context: RequestContext, address: ModelSpec, size: int) -> None:
    """The policy that refuses nothing."""


def _no_reload(config: Any, timeout: float | None, gone: Callable[[], bool]) -> None:
    raise AssertionError("there is nothing to reload")
