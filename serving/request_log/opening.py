"""The request log that the flags ask for; its directory is tried at start, not at the first request."""

import os
from collections.abc import Callable
from pathlib import Path

from serving.core.request_logging import Task
from serving.errors import Code, ConfigurationError
from serving.request_log.log import RequestLog
from serving.request_log.writer import RecordWriter
from serving.settings import Settings


def open_request_log(
    settings: Settings, tags: tuple[str, ...], count: Callable[[str, Code], None] | None = None
) -> RequestLog:
    """A log in --request_log_directory, which is made if it is missing; one without a place if the flag is empty.

    Raises ConfigurationError for a directory that cannot be written to.
    """
    index = settings.request_log_task_index
    task = Task(dc=settings.request_log_dc, index=index if index >= 0 else None)
    if not settings.request_log_directory:
        return RequestLog(task=task, tags=tags, count=count)
    directory = Path(settings.request_log_directory)
    _prepare(directory)
    writer = RecordWriter(directory, max_file_bytes=settings.request_log_max_file_bytes)
    return RequestLog(writer, task=task, tags=tags, count=count)


def _prepare(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(directory, error.strerror or "cannot be made") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise _unusable(directory, "cannot be written to")


def _unusable(directory: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        Code.FAILED_PRECONDITION,
        f"--request_log_directory={directory}: {why}; expected a directory that this process may write to",
    )
