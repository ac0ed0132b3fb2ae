"""What the log says of a start that fails or waits, and of a later version that fails: failing rows of the checks."""

import logging
from collections.abc import Callable
from functools import partial
from threading import Thread

from serving.configuration.model_config import Configured, ModelConfig
from serving.configuration.session_config import Sessions
from serving.core.servable import ServableId
from serving.doctor import examination
from serving.doctor.finding import Finding
from serving.settings import Settings
from serving.telemetry.log import logger

_PATIENCE_SECONDS = 10.0


def explain_failure(settings: Settings, cpus: int) -> None:
    """To be called when the doors are closed again, for their ports are tried. Takes some seconds at most."""

    def explain() -> None:
        level = logger.level
        logger.setLevel(logging.CRITICAL)  # what is read anew has had its lines
        findings = examination.of_failed_start(settings, cpus)
        logger.setLevel(level)
        _say(findings, logging.ERROR)

    _on_thread(explain).join(_PATIENCE_SECONDS)


def explain_wait(settings: Settings, cpus: int, names: frozenset[str]) -> None:
    """For models of which nothing is available yet; one that takes long to load, and is in order, gives no line."""
    _on_thread(lambda: _say(examination.of_waiting(settings, cpus, names), logging.WARNING))


def explain_failed_version(configured: Configured, failed: ServableId, sessions: Sessions) -> None:
    """For a version that could not be loaded; one whose files are in order, or not configured, gives no line."""
    for model in configured or ():
        if model.name == failed.name:
            _on_thread(partial(_say_of_version, model, failed.version, sessions))


def _say_of_version(model: ModelConfig, version: int, sessions: Sessions) -> None:
    _say(examination.of_failed_version(model, version, sessions), logging.ERROR)


def _on_thread(do: Callable[[], None]) -> Thread:
    """A daemon: a file system that does not answer must not keep the process from ending."""
    thread = Thread(target=do, name="doctor", daemon=True)
    thread.start()
    return thread


def _say(findings: list[Finding], level: int) -> None:
    for finding in findings:
        logger.log(level, "--doctor says: %s", finding.sentence)
