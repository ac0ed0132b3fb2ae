"""OpenVINO's C API: what is declared is there, and what fails says so."""

import subprocess
import sys

import pytest

from serving.openvino import library
from serving.openvino.library import OpenVinoError


@pytest.fixture
def fresh() -> object:
    """The library is looked for anew, before and after."""
    library.load.cache_clear()
    yield
    library.load.cache_clear()


def test_the_library_is_loaded_once() -> None:
    """And tells its version."""
    assert library.load() is library.load()
    assert library.load().version()[:4].isdigit()


def test_a_status_is_an_error_with_its_text() -> None:
    """What failed is in the text, on one line, for the log."""
    loaded = library.load()
    core = loaded.made(loaded.core_create)
    try:
        with pytest.raises(OpenVinoError, match=r"status -\d+: .*no-such-file") as raised:
            loaded.made(loaded.core_read_model, core, b"/no-such-file.pb", None)
        assert "\n" not in str(raised.value)
    finally:
        loaded.core_free(core)


def test_what_is_not_declared_is_an_error() -> None:
    """A call without declared arguments would pass pointers of half their size."""
    with pytest.raises(AttributeError, match="ov_model_reshape is not declared"):
        library.load().model_reshape  # noqa: B018


@pytest.mark.usefixtures("fresh")
def test_without_the_package_there_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert library.libraries() is None
    with pytest.raises(OpenVinoError, match="the package openvino is not installed"):
        library.load()


def test_none_of_its_python_is_executed() -> None:
    """It would take a second, and send telemetry if it may."""
    program = "import sys; from serving.openvino import library; library.load(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert not {name for name in run.stdout.split() if name.partition(".")[0] in ("openvino", "openvino_telemetry")}
