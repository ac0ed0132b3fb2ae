"""The loop that reads the file of keys again and gives the policy what is new; it decides nothing about requests."""

import threading
from collections.abc import Callable
from pathlib import Path

from serving.access import key_file
from serving.access.policy import Policy
from serving.errors import Code, ConfigurationError, ServingError
from serving.telemetry.log import logger

_READABLE_BY_OTHERS = 0o004


class KeysLoop:
    """Owns the thread on which ``path`` is read every ``wait_seconds``. ``policy`` has what was read last and is good.

    The first reading is here: raises ConfigurationError. ``on_death`` is told when the loop ends by a failure. The
    whole file is compared, for its times do not tell two writings within a tick apart.
    """

    def __init__(self, path: str, on_death: Callable[[BaseException], None], *, wait_seconds: float = 1.0) -> None:
        self._path = Path(path)
        self._place = f"--api_keys_file={path}"
        self._on_death = on_death
        self._wait_seconds = wait_seconds
        self._stopped = threading.Event()
        self._said = ""
        self._warned = False
        self._content = self._read()
        self.policy = Policy(key_file.parse(self._content, self._place))
        logger.info("%s: %d may call, each with its rights", self._place, len(self.policy.keys.holders))
        self._thread = threading.Thread(target=self._run, name="keys-loop", daemon=True)

    def start(self) -> None:
        """Begin to follow the file; called once."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """End the thread, within ``seconds``."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def run_once(self) -> None:
        """Read the file once. What cannot be used changes nothing, and is logged when it is new."""
        try:
            content = self._read()
            if content != self._content:
                self._put(content)
        except ServingError as error:
            if error.text != self._said:
                logger.error("%s. The former keys stay in effect", error.text)
            self._said = error.text
            return
        if self._said:
            logger.info("%s can be used again", self._place)
            self._said = ""

    def _put(self, content: bytes) -> None:
        before, keys = self.policy.keys, key_file.parse(content, self._place)
        self.policy.keys, self._content = keys, content
        changes = "; ".join(keys.changes_from(before))
        logger.info("%s has changed: %s", self._place, changes or "nothing that counts")

    def _read(self) -> bytes:
        try:
            mode = self._path.stat().st_mode
            if not self._path.is_file():
                raise ConfigurationError(Code.FAILED_PRECONDITION, f"{self._place}: expected a regular file")
            content = self._path.read_bytes()
        except OSError as error:
            code = Code.NOT_FOUND if isinstance(error, FileNotFoundError) else Code.FAILED_PRECONDITION
            raise ConfigurationError(code, f"{self._place}: {error.strerror or error}") from None
        if mode & _READABLE_BY_OTHERS and not self._warned:
            self._warned = True
            logger.warning("%s can be read by every user of this machine; chmod o-r keeps it from them", self._place)
        return content

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self._wait_seconds):
                self.run_once()
        except Exception as death:  # noqa: BLE001 - a dead loop must be known, whatever killed it
            logger.exception("The loop that re-reads %s died; the file is not followed any more", self._path)
            self._on_death(death)
