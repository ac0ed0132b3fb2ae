"""Which kind of model a version directory holds, decided here alone, and how each kind is loaded.

The kinds that most servers never meet are imported when the first one of them is loaded.
"""

from collections.abc import Container
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from serving.core import version_files
from serving.core.servable import Servable
from serving.servables.saved_model import SavedModelOptions, load_saved_model
from serving.servables.threads import ModelThreads


class ModelKind(Enum):
    """What a version directory is."""

    SAVED_MODEL = "SavedModel"
    TFLITE = "TensorFlow Lite"
    SESSION_BUNDLE = "SessionBundle"
    KERAS = "Keras"


def kind_of(files: Container[str], *, prefer_tflite: bool) -> ModelKind:
    """The kind of a directory with these files; one that looks like nothing is a SavedModel that lacks its file."""
    if prefer_tflite and version_files.TFLITE_MODEL in files:
        return ModelKind.TFLITE
    if any(name in files for name in version_files.SAVED_MODELS):
        return ModelKind.SAVED_MODEL
    if version_files.SESSION_BUNDLE in files:
        return ModelKind.SESSION_BUNDLE
    return ModelKind.KERAS if version_files.KERAS_MODEL in files else ModelKind.SAVED_MODEL


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoader:
    """Loads the servable of a version directory, blocking; raises ServingError.

    ``executor`` runs the slow calls of all. A TensorFlow Lite file is loaded into ``tflite_interpreters``, which share
    ``tflite_threads``. What is made of a Keras file is kept in ``cache_directory``; not without one.
    """

    options: SavedModelOptions
    executor: Executor
    prefer_tflite: bool = False
    tflite_interpreters: int = 1
    tflite_threads: int = 1
    cache_directory: str = ""

    def __call__(self, path: Path) -> Servable:
        """The servable of the directory ``path``."""
        executor = self.executor.for_servable() if isinstance(self.executor, ModelThreads) else self.executor
        match kind_of(_files(path), prefer_tflite=self.prefer_tflite):
            case ModelKind.SAVED_MODEL:
                return load_saved_model(path, self.options, executor)
            case ModelKind.TFLITE:
                return self._load_tflite(path / version_files.TFLITE_MODEL, executor)
            case ModelKind.SESSION_BUNDLE:
                from serving.servables.session_bundle import load_session_bundle

                return load_session_bundle(path, self.options, executor)
            case ModelKind.KERAS:
                return self._load_keras(path, executor)

    def _load_keras(self, path: Path, executor: Executor) -> Servable:
        from serving.loading.keras_files import convert

        converted = convert(path, Path(self.cache_directory) if self.cache_directory else None)
        try:
            servable = load_saved_model(converted.path, self.options, executor)
        except BaseException:
            converted.remove()
            raise
        servable.converted = converted
        return servable

    def _load_tflite(self, path: Path, executor: Executor) -> Servable:
        from serving.servables.tflite import load_tflite

        interpreters = max(self.tflite_interpreters, 1)
        threads = max(self.tflite_threads // interpreters, 1)
        return load_tflite(path, interpreters=interpreters, threads=threads, executor=executor)


def _files(path: Path) -> frozenset[str]:
    """The names in a directory; none if it is gone, which loading then says better."""
    try:
        return frozenset(entry.name for entry in path.iterdir())
    except OSError:
        return frozenset()
