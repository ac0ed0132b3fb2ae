"""The loop that re-reads --model_config_file and puts what it says into effect; it decides nothing about models."""

import threading
from collections.abc import Callable
from pathlib import Path

from serving.configuration import model_config
from serving.configuration.model_config import Configured
from serving.errors import ServingError
from serving.loading.models import Models
from serving.telemetry.log import logger


class ConfigLoop:
    """Owns the thread on which ``path`` is read every ``wait_seconds``, the first time at once.

    A file that cannot be read, or whose list is refused, changes nothing; the error is logged when it is a new one.
    ``on_list`` is given each list that could be read, ``on_death`` is told when the loop ends by a failure. Without
    ``reads`` somebody else reads it, for this process as well.
    """

    def __init__(
        self,
        path: Path,
        models: Models,
        *,
        wait_seconds: float,
        on_death: Callable[[BaseException], None],
        on_list: Callable[[Configured], None] | None = None,
        reads: Callable[[], bool] | None = None,
    ) -> None:
        self._reads = reads
        self._path = path
        self._models = models
        self._wait_seconds = wait_seconds
        self._on_death = on_death
        self._on_list = on_list
        self._stopped = threading.Event()
        self._said = ""
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read; called once."""
        self._thread = threading.Thread(target=self._run, name="config-loop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more; a wait for new models ends as well."""
        self._stopped.set()

    def run_once(self) -> None:
        """Read the file once and reload if it lists something else than the list that was given last.

        Single models that were loaded or unloaded since then stay so until that. New models are waited for until the
        next reading is due, for the sake of the log alone.
        """
        if self._reads is not None and not self._reads():
            return
        error = self._error()
        if error and error != self._said:
            logger.error("%s", error)
        self._said = error

    def _error(self) -> str:
        """What is wrong with the file, in TensorFlow Serving's words, or nothing."""
        try:
            configured = model_config.read(self._path)
        except ServingError as error:
            return f"Failed to read ModelServerConfig file: {error.text}"
        if self._on_list is not None:
            self._on_list(configured)
        if configured == self._models.listed:
            return ""
        try:
            self._models.reload(configured, self._wait_seconds, self._stopped.is_set)
        except ServingError as error:
            return f"PollFilesystemAndReloadConfig failed to ReloadConfig: {error.text}"
        return ""

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self.run_once()
                self._stopped.wait(self._wait_seconds)
        except Exception as death:  # noqa: BLE001 - a dead loop must be known, whatever killed it
            logger.exception("The loop that re-reads %s died; the file is not followed any more", self._path)
            self._on_death(death)
