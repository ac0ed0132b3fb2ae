"""A SessionBundle, the export of TensorFlow 0.x, as a servable: its graph in a session, variables and assets restored.

TensorFlow Serving has dropped the format (docs/models.md, "Session bundles"). What is in its files
``bundle_files`` says.
"""

import ctypes
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from serving.codecs.protobuf import signature_def
from serving.core import tensor_name
from serving.core.signature import DEFAULT_SIGNATURE_NAME
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.protos import message
from serving.servables import bundle_signatures, graph_tensors, loops
from serving.servables.bundle_files import BundleFiles, check_files, read_bundle
from serving.servables.bundle_signatures import BundleSignatures, GraphTensor
from serving.servables.libtensorflow import Library, Output, load
from serving.servables.saved_model import SavedModelOptions, SavedModelServable
from serving.servables.session import Session, open_graph
from serving.servables.tensors import to_tensorflow

TensorInfo = message("tensorflow.TensorInfo")


def load_session_bundle(path: Path, options: SavedModelOptions, executor: Executor) -> SavedModelServable:
    """Load the version directory ``path``; ``executor`` runs its slow calls. The tags of ``options`` do not matter.

    Raises ServingError with TensorFlow's text, or with one that says what the export lacks.
    """
    files = read_bundle(path)
    check_files(path, files)
    session = open_graph(load(), files.graph, options.session_config)
    session.may_loop = loops.may_loop(path)
    try:
        _restore(session, files)
        converted = bundle_signatures.convert(files.signatures, lambda name: _describe(session, name))
        return _servable(session, converted, executor)
    except BaseException:
        session.close()
        raise


def _restore(session: Session, files: BundleFiles) -> None:
    """Read the variables and run what initialises the rest; both are told where the asset files are."""
    if files.restore_op:
        _run(session, {files.filename_tensor: files.checkpoint, **files.assets}, files.restore_op)
    if files.init_op:
        _run(session, files.assets, files.init_op)


def _run(session: Session, feeds: Mapping[str, Path], target: str) -> None:
    """Run the operation ``target`` with paths fed as scalar strings."""
    library = session.library
    outputs = (Output * len(feeds))(*[graph_tensors.find_one(library, session.graph, name) for name in feeds])
    operation = graph_tensors.operation(library, session.graph, target)
    if operation is None:
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
        output = graph_tensors.find_one(session.library, session.graph, name)
    except ServingError as error:
        raise ServingError(
            Code.FAILED_PRECONDITION,
            f"A signature of the session bundle names the tensor {name}, which its graph lacks",
        ) from error
    library = session.library
    operation = library.OperationOpType(output.operation).decode()
    info = TensorInfo(name=str(tensor_name.parse(name)), dtype=library.OperationOutputType(output))
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
