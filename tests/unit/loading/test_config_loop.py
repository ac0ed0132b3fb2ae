"""Following --model_config_file: one turn at a time, and the loop's own thread."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.configuration import model_config
from serving.core.manager import Manager
from serving.core.servable import Loader
from serving.errors import Code, ServingError
from serving.loading.config_loop import ConfigLoop
from serving.loading.models import Models
from serving.request_log.log import RequestLog
from tests.support import TIMEOUT_SECONDS, FakeServable, fails, loads
from tests.support.server_process import wait_until

HOUR = 3600.0


def ignore(death: BaseException) -> None:
    """Nobody is told of the loop's end."""


class File:
    """A configuration file beside the base paths of its models."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "models.config"
        self._directory = directory

    def write(self, *names: str, more: str = "") -> None:
        """List models, and make one version of each."""
        for name in names:
            (self._directory / name / "1").mkdir(parents=True, exist_ok=True)
        self.path.write_text("model_config_list {" + "".join(self._entry(name, more) for name in names) + "}")

    def _entry(self, name: str, more: str) -> str:
        return f'config {{ name: "{name}" base_path: "{self._directory / name}" model_platform: "tensorflow" {more} }}'


def load(name: str, version: int, path: Path) -> Loader:
    """A loader that fails for the model ``bad``."""
    return fails(ServingError(Code.DATA_LOSS, "no model")) if name == "bad" else loads(FakeServable(name))


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A file that lists ``a``."""
    file = File(tmp_path)
    file.write("a")
    return file


@pytest.fixture
def models(file: File) -> Iterator[Models]:
    """What the file lists, serving."""
    models = Models(
        Manager(max_load_retries=0), load, poll_wait_seconds=0, max_loads=1, max_unloads=1, request_log=RequestLog()
    )
    models.start(model_config.read(file.path))
    wait_until("a serves", lambda: models.manager.serving.available("a") == (1,))
    yield models
    models.close(TIMEOUT_SECONDS)


@pytest.fixture
def loop(file: File, models: Models) -> ConfigLoop:
    """The loop, not started."""
    return ConfigLoop(file.path, models, wait_seconds=TIMEOUT_SECONDS, on_death=ignore)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the log that are errors of the file."""
    return [line for line in caplog.messages if "eloadConfig" in line or "ModelServerConfig file" in line]


def test_a_changed_file_is_applied(file: File, models: Models, loop: ConfigLoop) -> None:
    """A turn returns when the new models serve."""
    file.write("a", "b")
    loop.run_once()
    assert models.manager.serving.available("b") == (1,)


def test_an_unchanged_file_is_not_applied_again(loop: ConfigLoop, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said of it either."""
    with caplog.at_level(logging.INFO, "serving"):
        loop.run_once()
    assert caplog.messages == []


def test_what_a_request_changed_is_put_back(file: File, models: Models, loop: ConfigLoop) -> None:
    """The file has the last word."""
    models.reload(())
    assert not models.names
    loop.run_once()
    assert models.names == ("a",)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        pytest.param("improperly formatted file", "Failed to read ModelServerConfig file: Invalid protobuf", id="text"),
        pytest.param("", "Failed to read ModelServerConfig file: ", id="no bytes"),
        pytest.param(
            "# nothing", "PollFilesystemAndReloadConfig failed to ReloadConfig: Cannot transition", id="no list"
        ),
    ],
)
def test_a_bad_file_changes_nothing(
    file: File, models: Models, loop: ConfigLoop, caplog: pytest.LogCaptureFixture, text: str, start: str
) -> None:
    """The error is logged once, in TensorFlow Serving's words, and the models go on serving."""
    file.path.write_text(text)
    loop.run_once()
    loop.run_once()
    (line,) = errors(caplog)
    assert line.startswith(start)
    assert models.names == ("a",)


def test_a_missing_file_changes_nothing(
    file: File, models: Models, loop: ConfigLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """As a bad one; a different error is a new line."""
    file.path.write_text("bad")
    loop.run_once()
    file.path.unlink()
    loop.run_once()
    assert errors(caplog)[1] == f"Failed to read ModelServerConfig file: {file.path}; No such file or directory"
    assert models.names == ("a",)


def test_a_new_model_that_fails_is_logged(
    file: File, models: Models, loop: ConfigLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of the file is in effect."""
    file.write("bad", "b")
    loop.run_once()
    assert errors(caplog) == [
        "PollFilesystemAndReloadConfig failed to ReloadConfig: 1 model(s) did not become available: "
        "{{{name: bad version: 1} due to error: DATA_LOSS: no model}, }"
    ]
    assert models.manager.serving.available("b") == (1,)


def test_a_refused_label_is_tried_again(file: File, models: Models, loop: ConfigLoop) -> None:
    """A list that was refused is not in effect, so the next turn tries it anew."""
    file.write("a", more='version_labels { key: "stable" value: 2 }')
    loop.run_once()
    assert models.manager.serving.labels == {}
    (file.path.parent / "a" / "2").mkdir()
    models.reload(())
    file.write("a")
    loop.run_once()
    wait_until("version 2 serves", lambda: 2 in models.manager.serving.available("a"))
    file.write("a", more='version_labels { key: "stable" value: 2 }')
    loop.run_once()
    assert models.manager.serving.labels == {"a": {"stable": 2}}


def test_the_thread_reads_at_once(file: File, models: Models) -> None:
    """The first reading does not wait, and a stop ends the wait for the next one."""
    file.write("b")
    loop = ConfigLoop(file.path, models, wait_seconds=HOUR, on_death=ignore)
    loop.start()
    wait_until("the file is in effect", lambda: models.manager.serving.available("b") == (1,))
    loop.stop()


def test_a_dead_loop_is_told(file: File, models: Models) -> None:
    """Whatever ends the loop, its owner hears of it."""
    deaths: list[BaseException] = []
    loop = ConfigLoop(Path("\0"), models, wait_seconds=HOUR, on_death=deaths.append)
    loop.start()
    wait_until("the owner was told", lambda: bool(deaths))
    assert isinstance(deaths[0], ValueError)


def test_changes_of_the_file_are_told(file: File, loop: ConfigLoop, caplog: pytest.LogCaptureFixture) -> None:
    """What another version of the file lists, once and not at each reading."""
    caplog.set_level(logging.INFO, "serving")
    file.write("a", "b")
    loop.run_once()
    loop.run_once()
    assert [each.partition(":")[0] for each in caplog.messages if each.startswith("Model ")] == ["Model b is new"]


def test_single_models_last_until_the_file_changes(file: File, models: Models, loop: ConfigLoop) -> None:
    """What ``edit`` has made of the list is not taken back at the next reading, but by the next change."""
    models.edit(lambda present: ())
    loop.run_once()
    assert not models.names
    file.write("a", "b")
    loop.run_once()
    assert models.names == ("a", "b")
