"""A SessionBundle, the export of TensorFlow 0.x, as a servable: its graph in a session, variables and assets restored.

TensorFlow Serving has dropped the format. It lives in ``export.meta``, a MetaGraphDef with collections of its own, and
a checkpoint beside it (docs/compatibility.md, "Session bundles").
"""

import ctypes
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from serving.codecs import signature_def
from serving.core.signature import DEFAULT_SIGNATURE_NAME
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.protos import MetaGraphDef, message
from serving.servables import bundle_signatures
from serving.servables.bundle_signatures import BundleSignatures, GraphTensor
from serving.servables.imported import open_graph
from serving.servables.libtensorflow import Library, Output, load
from serving.servables.saved_model import SavedModelOptions, SavedModelServable
from serving.servables.session import Session
from serving.servables.tensors import to_tensorflow

META_GRAPH = "export.meta"
CHECKPOINT = "export"

_SIGNATURES, _GRAPH, _ASSETS, _INIT_OP = "serving_signatures", "serving_graph", "serving_assets", "serving_init_op"
"""The collections that TensorFlow's Exporter writes."""

AssetFile = message("tensorflow.serving.AssetFile")
Signatures = message("tensorflow.serving.Signatures")
TensorInfo = message("tensorflow.TensorInfo")


def load_session_bundle(path: Path, options: SavedModelOptions, executor: Executor) -> SavedModelServable:
    """Load the version directory ``path``; ``executor`` runs its slow calls. The tags of ``options`` do not matter.

    Raises ServingError with TensorFlow's text, or with one that says what the export lacks.
    """
    meta_graph = _read(path / META_GRAPH)
    graph_def = _graph_def(meta_graph, path)
    signatures = _signatures(meta_graph, path)
    session = open_graph(load(), graph_def, options.session_config)
    try:
        _restore(session, meta_graph, path)
        converted = bundle_signatures.convert(signatures, lambda name: _describe(session, name))
        return _servable(session, converted, executor)
    except BaseException:
        session.close()
        raise


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
        signatures = _parse(Signatures, value, path / META_GRAPH)
        if signatures.HasField("default_signature") or signatures.named_signatures:
            return signatures
    raise ServingError(
        Code.FAILED_PRECONDITION,
        f"The session bundle {path} has no signatures to serve: {META_GRAPH} lacks the collection {_SIGNATURES}, which "
        "TensorFlow's Exporter writes. Export the model again, as a SavedModel",
    )


def _graph_def(meta_graph: Any, path: Path) -> bytes:
    """The serialised graph: the one made for serving, or else the MetaGraph's."""
    for value in _collection(meta_graph, _GRAPH):
        return value
    if not meta_graph.graph_def.node:
        raise invalid_argument(f"{META_GRAPH} of the session bundle {path} has no graph; expected a MetaGraphDef")
    return bytes(meta_graph.graph_def.SerializeToString())


def _collection(meta_graph: Any, name: str) -> Iterable[bytes]:
    """The serialised messages of a collection; empty if there is none."""
    collections = meta_graph.collection_def
    return [value.value for value in collections[name].any_list.value] if name in collections else []


def _restore(session: Session, meta_graph: Any, path: Path) -> None:
    """Read the variables and run what initialises the rest; both are told where the asset files are."""
    saver = meta_graph.saver_def
    files = [_parse(AssetFile, value, path / META_GRAPH) for value in _collection(meta_graph, _ASSETS)]
    assets = {file.tensor_binding.tensor_name: path / "assets" / file.filename for file in files}
    if saver.restore_op_name:
        _run(session, {saver.filename_tensor_name: _checkpoint(path), **assets}, saver.restore_op_name)
    collections = meta_graph.collection_def
    names = collections[_INIT_OP].node_list.value if _INIT_OP in collections else []
    if len(names) > 1:
        raise ServingError(
            Code.FAILED_PRECONDITION, f"Expected exactly one serving init op in {path / META_GRAPH}, found {len(names)}"
        )
    for name in names:
        _run(session, assets, name)


def _checkpoint(path: Path) -> Path:
    """What the restore operation is to read: one file, a pattern of shards, or the prefix of a newer checkpoint."""
    if any((path / name).exists() for name in (CHECKPOINT, f"{CHECKPOINT}.index")):
        return path / CHECKPOINT
    return path / f"{CHECKPOINT}-?????-of-?????"


def _run(session: Session, feeds: Mapping[str, Path], target: str) -> None:
    """Run the operation ``target`` with paths fed as scalar strings."""
    library = session.library
    outputs = (Output * len(feeds))(*[session.output(name) for name in feeds])
    operation = library.GraphOperationByName(session.graph, target.encode())
    if not operation:
        raise invalid_argument(f"The operation {target}, which the session bundle wants to be run, is not in its graph")
    handles = (ctypes.c_void_p * len(feeds))(*[to_tensorflow(library, _scalar(path)) for path in feeds.values()])
    try:
        with library.checked() as status:
            library.SessionRun(
                session.handle,
                None,
                outputs,
                handles,
                len(handles),
                None,
                None,
                0,
                (ctypes.c_void_p * 1)(operation),
                1,
                None,
                status,
            )
    finally:
        for handle in handles:
            library.DeleteTensor(handle)


def _scalar(path: Path) -> Tensor:
    value = np.empty((), object)
    value[()] = bytes(path)
    return Tensor(DataType.STRING, value)


def _describe(session: Session, name: str) -> GraphTensor:
    """A tensor as the graph has it; FAILED_PRECONDITION if it has none of that name."""
    try:
        output = session.output(name)
    except ServingError as error:
        raise ServingError(
            Code.FAILED_PRECONDITION,
            f"A signature of the session bundle names the tensor {name}, which its graph lacks",
        ) from error
    library = session.library
    operation = library.OperationOpType(output.operation).decode()
    info = TensorInfo(name=name if ":" in name else f"{name}:0", dtype=library.OperationOutputType(output))
    _fill_shape(library, session.graph, output, info.tensor_shape)
    return GraphTensor(info, operation.startswith("Placeholder"))


def _fill_shape(library: Library, graph: int, output: Output, shape: Any) -> None:
    with library.checked() as status:
        rank = library.GraphGetTensorNumDims(graph, output, status)
    if rank < 0:
        shape.unknown_rank = True
        return
    dims = (ctypes.c_int64 * rank)()
    with library.checked() as status:
        library.GraphGetTensorShape(graph, output, dims, rank, status)
    shape.SetInParent()
    for size in dims:
        shape.dim.add(size=size)


def _servable(session: Session, signatures: BundleSignatures, executor: Executor) -> SavedModelServable:
    servable = SavedModelServable(session, signatures.definitions, executor)
    if signatures.predict_default is not None:
        name = DEFAULT_SIGNATURE_NAME
        instead = signature_def.decode(name, signatures.predict_default)
        default = replace(servable.signatures[name], predict_instead=instead)
        servable.signatures = {**servable.signatures, name: default}
    return servable
