"""A SavedModel as a servable, TF1 and TF2 alike: loaded into a session of TensorFlow's C API, which runs it."""

import ctypes
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.codecs.protobuf import signature_def, wire
from serving.core import version_files
from serving.core.bounded import Bounded
from serving.core.signature import Signature
from serving.errors import Code, ServingError
from serving.protos import MetaGraphDef
from serving.servables import loops, model_files, ranks, saved_model_config
from serving.servables.converted import Converted
from serving.servables.libtensorflow import load
from serving.servables.session import Session, SessionRun


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModelOptions:
    """How SavedModels are loaded: MetaGraph tags and the serialised ConfigProto that their sessions begin with."""

    tags: tuple[str, ...] = ("serve",)
    session_config: bytes = b""


class SavedModelServable:
    """One loaded version. Thread-safe; ``close`` must come after the last call has returned."""

    def __init__(self, session: Session, signature_defs: Mapping[str, Any], executor: Executor) -> None:
        self.signature_defs = signature_defs
        self.signatures: Mapping[str, Signature] = signature_def.decode_all(signature_defs)
        self.executor = executor
        self.converted: Converted | None = None
        """Where the SavedModel is, if it was made of the version's model for this load."""
        self._session = session
        self._resolved: Bounded[tuple[tuple[str, ...], tuple[str, ...]], SessionRun] = Bounded()

    @property
    def may_loop(self) -> bool:
        """Whether a run may never end (``loops``)."""
        return self._session.may_loop

    @property
    def ranks(self) -> Mapping[str, int]:
        """What is checked before a run (``ranks``)."""
        return self._session.ranks

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> SessionRun:
        """The call that feeds and fetches these graph tensors, such as ``x:0``."""
        run = self._resolved.get((feeds, fetches))
        if run is None:
            run = SessionRun(self._session, feeds, fetches, self.executor)
            self._resolved.keep((feeds, fetches), run)
        return run

    def close(self) -> None:
        """Free the session and its graph, and what was made for it."""
        self._resolved.clear()
        self._session.close()
        if self.converted is not None:
            self.converted.remove()


def load_saved_model(path: Path, options: SavedModelOptions, executor: Executor) -> SavedModelServable:
    """Load the version directory ``path``; ``executor`` runs its slow calls. Blocks without holding the GIL."""
    _check_contents(path)
    restored = model_files.has_checkpoint(path)
    session_config = saved_model_config.merged(path, options.session_config)
    library = load()
    graph = library.NewGraph()
    meta_graph = library.NewBuffer()
    session_options = library.NewSessionOptions()
    try:
        with library.checked() as status:
            library.SetConfig(session_options, session_config, len(session_config), status)
        tags = (ctypes.c_char_p * len(options.tags))(*[tag.encode() for tag in options.tags])
        with library.checked() as status:
            session = library.LoadSessionFromSavedModel(
                session_options, None, bytes(path), tags, len(tags), graph, meta_graph, status
            )
    except ServingError:
        library.DeleteGraph(graph)
        library.DeleteBuffer(meta_graph)
        raise
    finally:
        library.DeleteSessionOptions(session_options)
    loaded = Session(library, session, graph)
    try:
        loaded.may_loop = loops.may_loop(path)
        aborts = ranks.aborts(path)
        data = library.take_buffer(meta_graph)
        model_files.check(path, data, restored=restored)
        signatures = wire.only_field(data, MetaGraphDef.SIGNATURE_DEF_FIELD_NUMBER)
        definitions = MetaGraphDef.FromString(signatures).signature_def
        servable = SavedModelServable(loaded, definitions, executor)
        if aborts:
            loaded.ranks = ranks.of(servable.signatures.values())
        return servable
    except BaseException:
        loaded.close()
        raise


def _check_contents(path: Path) -> None:
    """The mistake that TensorFlow Serving words itself."""
    if any((path / name).exists() for name in version_files.SAVED_MODELS):
        return
    raise ServingError(
        Code.NOT_FOUND,
        "Specified file path does not appear to contain a SavedModel bundle (should have a file called "
        f"`{version_files.SAVED_MODEL}`)\nSpecified file path: {path}",
    )
