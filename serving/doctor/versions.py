"""A version directory: whether all files of its model are there, can be read, and hold something. No graph is read."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import is_zipfile

from serving.core import version_files
from serving.core.servable import ServableId
from serving.doctor.checkpoint_index import expected_bytes
from serving.doctor.finding import Finding, fails
from serving.doctor.foreign_files import foreign
from serving.doctor.reading import missing, obstacle
from serving.errors import ServingError, first_few
from serving.loading.keras_files import export_command, is_installed
from serving.loading.model_kinds import ModelKind, kind_of
from serving.servables.bundle_files import check_files, read_bundle

_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")
_TFLITE_MARK, _TFLITE_MARK_AT = b"TFL3", 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version that the server would load."""

    id: ServableId
    path: Path
    prefer_tflite: bool = False

    @property
    def what(self) -> str:
        """Its name in a row."""
        return f"model {self.id.name} version {self.id.version}"

    @property
    def kind(self) -> ModelKind:
        """What its directory is taken for."""
        return kind_of(self._names(), prefer_tflite=self.prefer_tflite)

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(_size(each) for each in self.path.rglob("*"))

    @property
    def weights(self) -> int:
        """Bytes of the variables of a SavedModel."""
        return sum(
            _size(each) for each in self.path.glob(f"{version_files.VARIABLES_INDEX.partition('/')[0]}/*.data-*")
        )

    def wrong(self) -> list[Finding]:
        """What is wrong with its files; nothing if all is well."""
        return [fails(self.what, found, advice) for found, advice in self._wrong()]

    def _wrong(self) -> Iterator[tuple[str, str]]:
        if not self.path.exists():
            yield missing(self.path), "Put it there again, or take the link away."
            return
        if not self.path.is_dir():
            yield f"{self.path} is a file; expected a directory with a SavedModel", "Move it away."
            return
        stopped = obstacle(self.path)
        if stopped is not None:
            yield stopped, f"chmod -R a+rX {self.path}"
            return
        match self.kind:
            case ModelKind.TFLITE:
                yield from _of_tflite(self.path / version_files.TFLITE_MODEL)
            case ModelKind.SESSION_BUNDLE:
                yield from _of_bundle(self.path)
            case ModelKind.KERAS:
                yield from _of_keras(self.path)
            case ModelKind.SAVED_MODEL:
                yield from self._of_saved_model()

    def _of_saved_model(self) -> Iterator[tuple[str, str]]:
        names = self._names()
        graph = next((name for name in version_files.SAVED_MODELS if name in names), None)
        if graph is None:
            yield self._no_saved_model(names)
            return
        yield from _file(self.path / graph)
        variables = self.path / "variables"
        if variables.is_dir():
            stopped = obstacle(variables)
            if stopped is not None:
                yield stopped, f"chmod -R a+rX {self.path}"
                return
            yield from _of_variables(variables)

    def _no_saved_model(self, names: Sequence[str]) -> tuple[str, str]:
        lacks = f"{version_files.SAVED_MODEL} is missing in {self.path}"
        if version_files.TFLITE_MODEL in names:
            return f"{lacks}, which has {version_files.TFLITE_MODEL}", "Give --prefer_tflite_model=true."
        below = [each for each in sorted(self.path.iterdir()) if holds_model(each)]
        if below:
            return f"{lacks}: it is one directory further down, in {below[0].name}", f"mv {below[0]}/* {self.path}/"
        other = foreign(self.path, names)
        if other is not None:
            return f"{lacks}, which has {other.found}", other.advice(self.path)
        has = first_few(sorted(names)) if names else "nothing in it"
        return f"{lacks}, which has: {has}", "Copy the whole directory that tf.saved_model.save has written."

    def _names(self) -> list[str]:
        return [each.name for each in self.path.iterdir()]


def holds_model(directory: Path) -> bool:
    """Whether there is the file of a model in it."""
    return any((directory / name).exists() for name in version_files.MODELS)


_AGAIN = "Copy the directory variables again, all of it."


def _of_variables(variables: Path) -> Iterator[tuple[str, str]]:
    names = {each.name for each in variables.iterdir()}
    shards = {(int(found[1]), int(found[2])) for name in names if (found := _SHARD.fullmatch(name))}
    index = Path(version_files.VARIABLES_INDEX).name
    if index not in names:
        if names:
            yield f"{variables / index} is missing; {variables} has: {first_few(sorted(names))}", _AGAIN
        return
    yield from _file(variables / index)
    if not shards:
        yield f"{variables} has the index of a checkpoint and no data: variables.data-00000-of-00001 is missing", _AGAIN
        return
    count = max(total for _, total in shards)
    missing = [f"variables.data-{each:05}-of-{count:05}" for each in range(count) if (each, count) not in shards]
    if missing:
        yield f"{variables} lacks {len(missing)} of {count} parts of the checkpoint: {first_few(missing)}", _AGAIN
    data = [variables / name for name in names if _SHARD.fullmatch(name)]
    for each in sorted(data):
        stopped = obstacle(each)
        if stopped is not None:
            yield stopped, f"chmod -R a+rX {variables}"
    if not any(map(_size, data)):
        yield f"the data of the checkpoint in {variables} is empty", _AGAIN
    elif _size(variables / index):
        yield from _cut_off(variables, index, count)


def _cut_off(variables: Path, index: str, count: int) -> Iterator[tuple[str, str]]:
    """The parts that are shorter than the index says."""
    try:
        lengths = expected_bytes((variables / index).read_bytes())
    except OSError:
        return  # that it cannot be read was said
    except ValueError as error:
        yield f"{variables / index} is damaged: {error}", _AGAIN
        return
    for part, length in sorted(lengths.items()):
        file = variables / f"variables.data-{part:05}-of-{count:05}"
        if file.exists() and _size(file) < length:
            yield f"{file} is cut off: it has {_size(file)} bytes of {length}", _AGAIN


def _of_tflite(file: Path) -> Iterator[tuple[str, str]]:
    wrong = list(_file(file))
    yield from wrong
    if not wrong:
        with file.open("rb") as opened:
            begin = opened.read(_TFLITE_MARK_AT + len(_TFLITE_MARK))
        if begin[_TFLITE_MARK_AT:] != _TFLITE_MARK:
            yield f"{file} is no TensorFlow Lite model: it lacks the mark TFL3", "Copy it, or convert it, again."


def _of_keras(path: Path) -> Iterator[tuple[str, str]]:
    file = path / version_files.KERAS_MODEL
    wrong = list(_file(file))
    yield from wrong
    if not wrong and not is_zipfile(file):
        yield f"{file} is no Keras model: it is no zip archive, or cut off", "Copy it, or save it, again."
    if not is_installed():
        yield f"{file} has to be converted by Keras, which is not installed here", export_command(path)


def _of_bundle(path: Path) -> Iterator[tuple[str, str]]:
    try:
        check_files(path, read_bundle(path))
    except ServingError as error:
        yield error.message, ""


def _file(file: Path) -> Iterator[tuple[str, str]]:
    stopped = obstacle(file)
    if stopped is not None:
        yield stopped, f"chmod a+r {file}"
    elif file.is_dir():
        yield f"{file} is a directory; expected a file", "Copy the model again."
    elif not _size(file):
        yield f"{file} is empty", "Copy the model again; a full disk leaves files like this."


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:
        return 0
