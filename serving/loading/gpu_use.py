"""What GPUs, or the lack of them, mean for a start: the log says it, and --require_gpu ends it. Finds none itself."""

import dataclasses

from serving.configuration.session_config import Sessions
from serving.errors import Code, ConfigurationError
from serving.servables import gpu
from serving.servables.gpu import Gpus
from serving.telemetry.log import logger


def settle(sessions: Sessions) -> Sessions:
    """The sessions as they are on this machine. Raises ConfigurationError if a required GPU is missing."""
    return decide(sessions, gpu.find_gpus(bytes(sessions.config.SerializeToString())))


def decide(sessions: Sessions, gpus: Gpus) -> Sessions:
    """The same for these GPUs. On a GPU models run as they are saved, for optimising folds and fuses for CPUs."""
    if gpus.names:
        logger.info("The models run on %s", ", ".join(gpus.names))
        return dataclasses.replace(sessions, settings=sessions.settings.replaced(optimize="off"))
    if sessions.settings.require_gpu:
        raise ConfigurationError(Code.FAILED_PRECONDITION, f"--require_gpu: no GPU can be used: {gpus.problem}")
    if gpus.expected:
        logger.warning("No GPU can be used: %s. The models run on the CPU", gpus.problem)
    return sessions
