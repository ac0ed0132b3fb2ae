"""A version whose model is a `.keras` file, as a SavedModel, which a process makes that imports Keras.

What is made is removed with the servable that was loaded from it. With a cache directory it is kept there, too, by the
contents of the file, and later loads take it from there.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from importlib import metadata, util
from pathlib import Path

from serving.core import version_files
from serving.errors import Code, ServingError
from serving.servables.converted import Converted
from serving.telemetry.log import logger

_TIMEOUT_SECONDS = 600.0
_STDERR_SHOWN = 300

_ROOT = str(Path(__file__).resolve().parents[2])
_PROGRAM = (
    # Its settings are Keras's own, whatever its user's home or environment says, and GPUs are the server's.
    "import os, sys; os.environ.update(KERAS_BACKEND='tensorflow', CUDA_VISIBLE_DEVICES='-1'); "
    "os.environ['KERAS_HOME'] = sys.argv.pop(1); "
    f"sys.path.insert(0, {_ROOT!r}); from serving.loading.keras_child import main; main()"
)
_COMMAND = (sys.executable, "-P", "-c", _PROGRAM)

_TURN = threading.Lock()
"""One process at a time: each has TensorFlow and a model in memory."""


def is_installed() -> bool:
    """Whether Keras is there for the process that converts; it is not imported."""
    return util.find_spec("keras") is not None


def export_command(version: Path) -> str:
    """What writes the SavedModel into the version's directory, for a shell where Keras is installed."""
    file = version / version_files.KERAS_MODEL
    return f"python -c \"import keras; keras.saving.load_model('{file}').export('{version}')\""


def convert(version: Path, cache_directory: Path | None = None) -> Converted:
    """The SavedModel of the version directory's file, with the version's own ``assets.extra``. Blocks for seconds.

    Raises ServingError, FAILED_PRECONDITION without Keras, INVALID_ARGUMENT for what Keras refuses.
    """
    try:
        place = _place(cache_directory)
    except OSError as error:
        why = f"no directory for its SavedModel can be made: {error}; --optimize_cache_dir names one"
        raise _failed(version, why) from error
    converted = Converted(path=place / "model", place=place)
    try:
        _fill(converted.path, version, cache_directory)
    except OSError as error:
        converted.remove()
        raise _failed(version, str(error)) from error
    except BaseException:
        converted.remove()
        raise
    return converted


def _place(cache_directory: Path | None) -> Path:
    """A new directory, in the cache if it can be written to: its files can then be had there without copies."""
    if cache_directory is not None:
        try:
            cache_directory.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=".keras-", dir=cache_directory))
        except OSError as error:
            logger.warning("--optimize_cache_dir=%s cannot be written to: %s", cache_directory, error.strerror)
    return Path(tempfile.mkdtemp(prefix="keras-"))


def _fill(directory: Path, version: Path, cache_directory: Path | None) -> None:
    """Make the SavedModel at ``directory``, or take it from the cache. Raises ServingError, and OSError."""
    kept = None if cache_directory is None else cache_directory / _key(version / version_files.KERAS_MODEL)
    if kept is not None and (kept / version_files.SAVED_MODEL).exists():
        _link(kept, directory)
    else:
        _export(version, directory)
        if kept is not None and kept.parent == directory.parents[1]:
            _keep(directory, kept)
    extra = version / version_files.EXTRA
    if extra.exists():
        (directory / version_files.EXTRA).symlink_to(extra.resolve())


def _export(version: Path, directory: Path) -> None:
    """Have it made by a process. Raises ServingError with what Keras says."""
    if not is_installed():
        raise ServingError(
            Code.FAILED_PRECONDITION,
            f"{version / version_files.KERAS_MODEL} is a Keras model, and Keras is not installed here to convert it; "
            f"expected saved_model.pb beside it, which this writes where Keras is installed: {export_command(version)}",
        )
    file = version / version_files.KERAS_MODEL
    logger.info("Converting %s into a SavedModel, in a process with Keras", file)
    command = [*_COMMAND, str(directory.parent), str(file), str(directory)]
    with _TURN:
        try:
            done = subprocess.run(  # noqa: S603 - the command is ours
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise _failed(version, f"it took longer than {_TIMEOUT_SECONDS:.0f} s") from None
    if done.returncode == 0:
        return
    said = done.stdout.decode(errors="replace").strip()
    if not said:
        last = done.stderr[-_STDERR_SHOWN:].decode(errors="replace").strip().rpartition("\n")[2]
        said = f"the process ended with status {done.returncode}: {last or 'no words'}"
    raise _failed(version, said)


def _failed(version: Path, why: str) -> ServingError:
    return ServingError(
        Code.INVALID_ARGUMENT,
        f"{version / version_files.KERAS_MODEL} cannot be converted into a SavedModel: {why} (It is loaded with "
        f"safe_mode=True, so Python code in it, as of Lambda layers, is never run; for models that need theirs: "
        f"{export_command(version)})",
    )


def _key(file: Path) -> str:
    """The name of the directory that keeps what is made of this file by these libraries."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    for package in ("keras", "tensorflow-cpu", "tensorflow"):
        try:
            digest.update(f"{package} {metadata.version(package)}\n".encode())
        except metadata.PackageNotFoundError:
            continue
    return f"keras-{digest.hexdigest()}"


def _keep(made: Path, kept: Path) -> None:
    """Put it into the cache in one step, if nobody else has."""
    beside = made.with_name("kept")
    _link(made, beside)
    try:
        beside.rename(kept)
    except OSError:
        if not (kept / version_files.SAVED_MODEL).exists():
            raise


def _link(source: Path, target: Path) -> None:
    """The same files in another directory, without copies where the file system can do that."""
    shutil.copytree(source, target, copy_function=_linked_or_copied)


def _linked_or_copied(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
