"""--monitoring_config_file, a text MonitoringConfig: whether metrics are shown, and at which path of the REST port."""

from serving.configuration import text_proto
from serving.protos import MonitoringConfig
from serving.telemetry.log import logger

DEFAULT_PATH = "/monitoring/prometheus/metrics"


def read_path(file: str) -> str:
    """TensorFlow Serving's path of the metrics page; empty if ``file`` turns it off. Without a file it is on.

    Raises ConfigurationError.
    """
    if not file:
        return DEFAULT_PATH
    config = text_proto.read(file, MonitoringConfig).prometheus_config
    if config.enable and config.path and not config.path.startswith("/"):
        logger.warning("%s: no request can have the path %r; expected one that begins with /", file, config.path)
    return (config.path or DEFAULT_PATH) if config.enable else ""
