"""What TensorFlow itself says on this machine: a signature of a SavedModel called through the C API, past the server.

Which kernel runs depends on the CPU, and each kernel words its errors itself.
"""

from collections.abc import Mapping
from ctypes import c_char_p, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from serving.core.tensor import STORAGE, DataType, Tensor
from serving.protos import MetaGraphDef
from serving.servables.libtensorflow import Library, Output, load
from serving.servables.tensors import to_tensorflow


class Call(NamedTuple):
    """A call of a signature of ``{model}/{version}``; the inputs are nested lists, by alias."""

    version: str
    signature_name: str
    inputs: Mapping[str, Any]


def error(call: Call, models: Path) -> str:
    """TensorFlow's text for a call that fails; empty for one that does not."""
    library = load()
    status, graph, meta_graph = library.NewStatus(), library.NewGraph(), library.NewBuffer()
    options = library.NewSessionOptions()
    path = bytes(models / call.version)
    try:
        session = library.LoadSessionFromSavedModel(
            options, None, path, (c_char_p * 1)(b"serve"), 1, graph, meta_graph, status
        )
        assert library.GetCode(status) == 0, library.Message(status)
        signature = MetaGraphDef.FromString(library.take_buffer(meta_graph)).signature_def[call.signature_name]
        try:
            _run(library, session, graph, signature, call.inputs, status)
            return str(library.Message(status).decode())
        finally:
            library.CloseSession(session, status)
            library.DeleteSession(session, status)
    finally:
        library.DeleteSessionOptions(options)
        library.DeleteGraph(graph)


def _run(library: Library, session: int, graph: int, signature: Any, inputs: Mapping[str, Any], status: int) -> None:
    """One run of the whole signature; what comes of it is in ``status``."""

    def output(info: Any) -> Output:
        operation, _, index = info.name.partition(":")
        return Output(library.GraphOperationByName(graph, operation.encode()), int(index))

    given = [(signature.inputs[alias], values) for alias, values in inputs.items()]
    fed = [to_tensorflow(library, _tensor(DataType(info.dtype), values)) for info, values in given]
    fetches = [output(info) for info in signature.outputs.values()]
    fetched = (c_void_p * len(fetches))()
    library.SessionRun(
        session,
        None,
        (Output * len(fed))(*(output(info) for info, _ in given)),
        (c_void_p * len(fed))(*fed),
        len(fed),
        (Output * len(fetches))(*fetches),
        fetched,
        len(fetches),
        None,
        0,
        None,
        status,
    )
    for tensor in [*fed, *filter(None, fetched)]:
        library.DeleteTensor(tensor)


def _tensor(dtype: DataType, values: Any) -> Tensor:
    return Tensor(dtype, np.array(values, STORAGE[dtype]))
