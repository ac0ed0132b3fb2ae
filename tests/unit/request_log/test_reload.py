"""Lists of models and the log: each list says anew whose requests are logged, and is refused whole if it cannot be."""

from pathlib import Path

import pytest

from serving.configuration.model_config import ModelConfig
from serving.core.manager import Manager
from serving.core.request_logging import RequestLogging
from serving.core.servable import ServableId
from serving.errors import ConfigurationError
from serving.loading.models import Models
from serving.request_log.log import RequestLog
from serving.request_log.writer import RecordWriter
from tests.support import TIMEOUT_SECONDS, FakeServable, loads
from tests.unit.request_log.disk import Disk

ALWAYS = RequestLogging(filename_prefix="m", rate=1.0)
ID = ServableId(name="m", version=1)


def models_with(log: RequestLog) -> Models:
    return Models(
        Manager(),
        lambda name, version, path: loads(FakeServable()),
        poll_wait_seconds=0,
        max_loads=1,
        max_unloads=1,
        request_log=log,
    )


def listed(path: Path, logging: RequestLogging | None) -> tuple[ModelConfig, ...]:
    return (ModelConfig(name="m", base_path=path, logging=logging),)


def test_reload_changes_what_is_logged(tmp_path: Path) -> None:
    """The same model is logged or not as the latest list says, without being loaded again."""
    (tmp_path / "1").mkdir()
    log = RequestLog(RecordWriter(Path("/logs"), max_file_bytes=1, create=Disk().create))
    models = models_with(log)
    drawn = []
    models.start(listed(tmp_path, None))
    drawn.append(log.draws(ID))
    for logging in (ALWAYS, None):
        models.reload(listed(tmp_path, logging), TIMEOUT_SECONDS)
        drawn.append(log.draws(ID))
    models.close(TIMEOUT_SECONDS)
    log.close(TIMEOUT_SECONDS)
    assert drawn == [False, True, False]


def test_list_that_cannot_be_logged_changes_nothing(tmp_path: Path) -> None:
    """Without a place for a log the list is refused, and the one before stays in effect."""
    (tmp_path / "1").mkdir()
    models = models_with(RequestLog())
    models.start(listed(tmp_path, None))
    with pytest.raises(ConfigurationError, match="No request-logger-creator provided"):
        models.reload(listed(tmp_path, ALWAYS), TIMEOUT_SECONDS)
    configured = models.configured
    models.close(TIMEOUT_SECONDS)
    assert configured == listed(tmp_path, None)
