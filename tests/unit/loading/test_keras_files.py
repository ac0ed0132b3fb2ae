"""What surrounds the conversion of a `.keras` file; the conversion itself is in tests/server/tensorflow."""

import sys
import tempfile
from pathlib import Path

import pytest

from serving.errors import Code, ServingError
from serving.loading import keras_files
from serving.loading.keras_files import convert


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version directory with a file for Keras, and with extras."""
    version = tmp_path / "m" / "1"
    (version / "assets.extra").mkdir(parents=True)
    (version / "assets.extra" / "saved_model_config.pb").write_bytes(b"config")
    (version / "model.keras").write_bytes(b"weights")
    return version


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's directory for temporary files, for one test."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


@pytest.fixture
def no_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python finds no Keras."""
    monkeypatch.setitem(sys.modules, "keras", None)


def kept_in(cache: Path, version: Path) -> Path:
    """What an earlier load has left in a cache for this file."""
    keras_files._keep(_made(cache / ".keras-earlier" / "model"), cache / keras_files._key(version / "model.keras"))
    (kept,) = cache.glob("keras-*")
    return kept


def _made(directory: Path) -> Path:
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "variables.index").write_bytes(b"index")
    return directory


def test_what_is_kept_is_taken(version: Path, tmp_path: Path, no_keras: None) -> None:
    """Without Keras, and as files of the cache; the version's own extras are beside them. All goes, but the cache."""
    cache = tmp_path / "cache"
    kept = kept_in(cache, version)
    converted = convert(version, cache)
    assert (converted.path / "saved_model.pb").samefile(kept / "saved_model.pb")
    assert (converted.path / "variables" / "variables.index").read_bytes() == b"index"
    assert (converted.path / "assets.extra" / "saved_model_config.pb").read_bytes() == b"config"
    converted.remove()
    assert not converted.path.exists()
    assert (kept / "saved_model.pb").exists()
    assert (version / "assets.extra" / "saved_model_config.pb").exists()


def test_another_file_is_another_model(version: Path, tmp_path: Path, no_keras: None) -> None:
    """What is kept is for the contents of the file, whatever its name."""
    kept_in(tmp_path / "cache", version)
    (version / "model.keras").write_bytes(b"other weights")
    with pytest.raises(ServingError, match="Keras is not installed here"):
        convert(version, tmp_path / "cache")


def test_without_keras(version: Path, temporary: Path, no_keras: None) -> None:
    """The error has the command, and nothing stays behind."""
    with pytest.raises(ServingError) as refused:
        convert(version)
    assert refused.value.code is Code.FAILED_PRECONDITION
    load = f"keras.saving.load_model('{version}/model.keras')"
    assert f"python -c \"import keras; {load}.export('{version}')\"" in refused.value.text
    assert list(temporary.iterdir()) == []


def test_cache_that_cannot_be_written(
    version: Path, temporary: Path, no_keras: None, caplog: pytest.LogCaptureFixture
) -> None:
    """It is passed over with a warning, as the optimiser does."""
    file = version.parent / "cache"
    file.write_bytes(b"")
    with caplog.at_level("WARNING", "serving"), pytest.raises(ServingError, match="Keras is not installed here"):
        convert(version, file)
    assert f"--optimize_cache_dir={file} cannot be written to" in caplog.text
    assert list(temporary.iterdir()) == []


def test_nowhere_to_write(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the flag that would help."""
    monkeypatch.setattr(tempfile, "tempdir", str(version / "none"))
    with pytest.raises(ServingError, match="--optimize_cache_dir names one"):
        convert(version)


def test_file_that_is_gone(version: Path, tmp_path: Path) -> None:
    """It may go between the look at the directory and the load."""
    (version / "model.keras").unlink()
    with pytest.raises(ServingError, match="No such file"):
        convert(version, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
