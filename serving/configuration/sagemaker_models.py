"""Which models lie in the directory that SageMaker unpacks a model's archive into."""

import os
from pathlib import Path

from serving.configuration.model_config import ModelConfig
from serving.core.version_policy import All
from serving.errors import first_few, invalid_configuration
from serving.settings import Settings
from serving.telemetry.log import logger

_FILE = "saved_model.pb"


def directory(settings: Settings) -> Path:
    """Where models are unpacked to."""
    return Path(
        settings.sagemaker_model_directory or ("/opt/ml/models" if settings.sagemaker_multi_model else "/opt/ml/model")
    )


def loadable(settings: Settings) -> tuple[Path, ...]:
    """Directories below which SageMaker may name base paths."""
    return (directory(settings),) if settings.sagemaker_multi_model else ()


def found_below(directory: Path) -> tuple[ModelConfig, ...]:
    """A model for each directory with versions that are SavedModels, however deep, called as the directory is.

    All versions are served, for requests may name one. Raises ConfigurationError without any, or for two of a name.
    """
    script = directory / "code" / "inference.py"
    if script.exists():
        logger.warning("%s is not run: this server has no handlers in Python; the model gets what is sent", script)
    versions = [Path(path) for path, _, files in os.walk(directory) if _FILE in files]
    base_paths = sorted({path.parent for path in versions if path.name.isdecimal() and path.name.isascii()})
    if not base_paths:
        raise invalid_configuration(
            f"There is no SavedModel below {directory} (--sagemaker_model_directory); expected a version directory for "
            f"each, such as {directory}/my_model/1/{_FILE}, or models named by --model_base_path or "
            f"--model_config_file. {_instead(versions)}"
        )
    by_name: dict[str, Path] = {}
    for path in base_paths:
        if by_name.setdefault(path.name, path) != path:
            raise invalid_configuration(
                f"Two models below {directory} have the name {path.name}: {by_name[path.name]} and {path}; expected "
                "names that differ"
            )
    return tuple(ModelConfig(name=path.name, base_path=path, policy=All()) for path in base_paths)


def _instead(versions: list[Path]) -> str:
    if not versions:
        return "No file of that name is there"
    return f"It is in {first_few(sorted(map(str, versions)))}, whose name is no number"
