"""Which models a server is started with: those of a file, or the one that two flags name; not what a list means."""

from pathlib import Path

from serving.configuration import flag_values
from serving.configuration.model_config import Configured, read, single
from serving.configuration.sagemaker_models import directory, found_below
from serving.settings import Settings
from serving.telemetry.log import logger


def named_by_flags(settings: Settings) -> Configured:
    """The models that the flags name. Raises ConfigurationError."""
    flag_values.check(settings)
    if settings.model_config_file:
        return read(Path(settings.model_config_file))
    if settings.model_base_path:
        path = settings.model_base_path
        logger.info(
            "Building single TensorFlow model file config:  model_name: %s model_base_path: %s",
            settings.model_name,
            # An address on the web may have a signature in its query.
            path.partition("?")[0] if "://" in path else path,
        )
        return single(settings.model_name, path)
    if settings.sagemaker_multi_model:
        return ()  # they are loaded later, one by one
    return found_below(directory(settings))  # of SageMaker: without it, and without a model, the flags are refused
