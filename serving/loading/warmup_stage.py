"""The warm-up file of a version directory: found, opened and replayed as a stage of loading; it knows no record."""

import os
from pathlib import Path
from typing import BinaryIO

from serving.codecs import tfrecord
from serving.core.servable import Servable, ServableId
from serving.core.version_files import WARMUP_REQUESTS
from serving.errors import Code, ServingError
from serving.inference.warmup import Warmup
from serving.telemetry.log import logger


class WarmupStage:
    """Warms a loaded version up, if its directory has the file; the servable stays what it is."""

    def __init__(self, warmup: Warmup) -> None:
        self._warmup = warmup

    def __call__(self, servable: Servable, servable_id: ServableId, path: Path) -> Servable:
        """Replay the file of the version at ``path``. Raises ServingError if it cannot be read to its end or run."""
        file = path / WARMUP_REQUESTS
        try:
            opened = _open(file)
            if opened is not None:
                with opened:
                    size = os.fstat(opened.fileno()).st_size
                    self._warmup.replay(servable, tfrecord.records(opened.read, size), str(path), str(file))
        except OSError as error:
            raise ServingError(_code(error), f"{file}; {error.strerror}") from None
        return servable


def _open(file: Path) -> BinaryIO | None:
    try:
        return file.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        logger.info("No warmup data file found at %s", file)
        return None


def _code(error: OSError) -> Code:
    if isinstance(error, PermissionError):
        return Code.PERMISSION_DENIED
    return Code.FAILED_PRECONDITION if isinstance(error, IsADirectoryError) else Code.UNKNOWN
