"""What TensorFlow 0.x's Exporter has written, read into values. Nothing is loaded here, and TensorFlow is not needed.

It lives in ``export.meta``, a MetaGraphDef with collections of its own, and a checkpoint beside it
(docs/models.md, "Session bundles").
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serving.core.version_files import SESSION_BUNDLE
from serving.errors import Code, ServingError, invalid_argument
from serving.protos import MetaGraphDef, message

CHECKPOINT = "export"
_SHARD = re.compile(rf"{CHECKPOINT}-([0-9]{{5}})-of-([0-9]{{5}})")

_SIGNATURES, _GRAPH, _ASSETS, _INIT_OP = "serving_signatures", "serving_graph", "serving_assets", "serving_init_op"
"""The collections that TensorFlow's Exporter writes."""

AssetFile = message("tensorflow.serving.AssetFile")
Signatures = message("tensorflow.serving.Signatures")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFiles:
    """graph: a serialised GraphDef; signatures: a ``Signatures`` message; init_op: to be run after the restore, or "".

    restore_op, or "", reads the variables from ``checkpoint``, whose path it takes from ``filename_tensor``; assets are
    files by the names of the tensors that take their paths. ``check_files`` looks whether they are there.
    """

    graph: bytes
    signatures: Any
    restore_op: str
    filename_tensor: str
    checkpoint: Path
    assets: Mapping[str, Path]
    init_op: str


def read_bundle(path: Path) -> BundleFiles:
    """The bundle in the version directory ``path``. ServingError says what ``export.meta`` lacks."""
    meta_graph = _read(path / SESSION_BUNDLE)
    files = [_parse(AssetFile, value, path / SESSION_BUNDLE) for value in _collection(meta_graph, _ASSETS)]
    return BundleFiles(
        graph=_graph_def(meta_graph, path),
        signatures=_signatures(meta_graph, path),
        restore_op=meta_graph.saver_def.restore_op_name,
        filename_tensor=meta_graph.saver_def.filename_tensor_name,
        checkpoint=_checkpoint(path),
        assets={file.tensor_binding.tensor_name: path / "assets" / file.filename for file in files},
        init_op=_init_op(meta_graph, path),
    )


def check_files(path: Path, files: BundleFiles) -> None:
    """NOT_FOUND, and which file it is, if a part of a sharded checkpoint is missing in the directory ``path``.

    What else is missing of a checkpoint TensorFlow finds itself. Assets are not looked for: exports are about, among
    TensorFlow Serving's own, that name some and do without.
    """
    missing = _missing_shard(path) if files.restore_op and files.checkpoint.name != CHECKPOINT else ""
    if missing:
        raise ServingError(
            Code.NOT_FOUND, f"The checkpoint of the session bundle {path} is not complete: expected {missing}"
        )


def _missing_shard(path: Path) -> str:
    """The first file that a sharded checkpoint lacks, if there is a part of one and none that is complete."""
    shards = [match for child in path.iterdir() if (match := _SHARD.fullmatch(child.name))]
    there = {(int(shard[1]), int(shard[2])) for shard in shards}
    lacks = [
        next((f"{CHECKPOINT}-{index:05}-of-{count:05}" for index in range(count) if (index, count) not in there), "")
        for count in sorted({count for _, count in there})
    ]
    return "" if "" in lacks or not lacks else lacks[0]


def _read(path: Path) -> Any:
    try:
        return _parse(MetaGraphDef, path.read_bytes(), path)
    except OSError as error:
        raise ServingError(Code.NOT_FOUND, f"{path}; {error.strerror}") from error


def _parse(kind: Any, data: bytes, path: Path) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise ServingError(Code.DATA_LOSS, f"Can't parse {path} as binary proto ({kind.DESCRIPTOR.name})") from error


def _signatures(meta_graph: Any, path: Path) -> Any:
    """The bundle's ``Signatures`` message. FAILED_PRECONDITION if it has none to serve."""
    for value in _collection(meta_graph, _SIGNATURES):
        signatures = _parse(Signatures, value, path / SESSION_BUNDLE)
        if signatures.HasField("default_signature") or signatures.named_signatures:
            return signatures
    raise ServingError(
        Code.FAILED_PRECONDITION,
        f"The session bundle {path} has no signatures to serve: {SESSION_BUNDLE} lacks the collection {_SIGNATURES}, "
        "which TensorFlow's Exporter writes. Export the model again, as a SavedModel",
    )


def _graph_def(meta_graph: Any, path: Path) -> bytes:
    """The serialised graph: the one made for serving, or else the MetaGraph's."""
    for value in _collection(meta_graph, _GRAPH):
        return value
    if not meta_graph.graph_def.node:
        raise invalid_argument(f"{SESSION_BUNDLE} of the session bundle {path} has no graph; expected a MetaGraphDef")
    return bytes(meta_graph.graph_def.SerializeToString())


def _collection(meta_graph: Any, name: str) -> Iterable[bytes]:
    """The serialised messages of a collection; empty if there is none."""
    collections = meta_graph.collection_def
    return [value.value for value in collections[name].any_list.value] if name in collections else []


def _init_op(meta_graph: Any, path: Path) -> str:
    collections = meta_graph.collection_def
    names = collections[_INIT_OP].node_list.value if _INIT_OP in collections else []
    if len(names) > 1:
        raise ServingError(
            Code.FAILED_PRECONDITION,
            f"Expected exactly one serving init op in {path / SESSION_BUNDLE}, found {len(names)}",
        )
    return "".join(names)


def _checkpoint(path: Path) -> Path:
    """What the restore operation is to read: one file, a pattern of shards, or the prefix of a newer checkpoint."""
    if any((path / name).exists() for name in (CHECKPOINT, f"{CHECKPOINT}.index")):
        return path / CHECKPOINT
    return path / f"{CHECKPOINT}-?????-of-?????"
