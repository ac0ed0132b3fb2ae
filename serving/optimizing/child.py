"""The child process that optimises one SavedModel: a script of its own, alone in importing TensorFlow's Python.

It gets one JSON request on the socket that is its standard input and answers with one, followed by file descriptors: a
serialised GraphDef and each large weight. It imports nothing of ours, and gives all its memory back by ending.
"""

import base64
import contextlib
import ctypes
import importlib
import importlib.util
import json
import os
import re
import signal
import socket
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any

_PR_SET_PDEATHSIG = 1
_FDS_PER_MESSAGE = 100  # the kernel takes 253
_WEIGHT_BYTES = 16 * 1024
"""Constants from this size on become files of their own; smaller ones stay in the graph."""

_FEED = re.compile(r"_arg_(.+)_(\d+)_\d+")
"""What TensorFlow calls the argument that a fed tensor becomes: operation, output, position."""

_TRANSFERS = ("_Send", "_Recv", "_HostSend", "_HostRecv")


class _RefusedError(Exception):
    """The model cannot be optimised; the text says why."""


def main() -> None:
    """Read the request, answer it, end."""
    _lower_priority()
    connection = socket.socket(fileno=os.dup(0))
    request = json.loads(_receive(connection))
    threading.Thread(target=_exit_with_server, args=(connection,), daemon=True).start()
    try:
        graph, weights = _optimize(request)
    except Exception as error:  # noqa: BLE001 - whatever it was, the server serves the model as it is and says why
        _send(connection, {"error": _error_text(error)})
        return
    _send(connection, {"weights": len(weights)})
    fds = [_memory_file(graph), *[_memory_file(weight) for weight in weights]]
    for start in range(0, len(fds), _FDS_PER_MESSAGE):
        socket.send_fds(connection, [b"."], fds[start : start + _FDS_PER_MESSAGE])


def _lower_priority() -> None:
    """Yield to the server in everything, and end with it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.nice(19)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _exit_with_server(connection: socket.socket) -> None:
    """End as soon as the server has: it sends nothing more, so what comes is the end of the socket.

    The signal for this is not on every system.
    """
    connection.recv(1)
    os._exit(1)


def _receive(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.readline()


def _send(connection: socket.socket, answer: dict[str, Any]) -> None:
    connection.sendall(json.dumps(answer).encode() + b"\n")


def _error_text(error: Exception) -> str:
    if isinstance(error, _RefusedError):
        return str(error)
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"


def _memory_file(data: bytes) -> int:
    fd = os.memfd_create("weights")
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def _optimize(request: dict[str, Any]) -> tuple[bytes, list[bytes]]:
    """The serialised graph and its weights, which it names by their index."""
    tf = _TensorFlow()
    for library in request["libraries"]:
        tf.load_library.load_op_library(library)
    config = tf.config_pb2.ConfigProto.FromString(base64.b64decode(request["config"]))
    config.intra_op_parallelism_threads = config.inter_op_parallelism_threads = 1
    feeds, fetches = request["feeds"], request["fetches"]
    meta_graph = _frozen(tf, config, request)
    dtypes = _dtypes(meta_graph)
    graph = _rewritten(tf, config, meta_graph.SerializeToString())
    del meta_graph
    examples = [tf.tensor_util.MakeNdarray(_tensor(tf, text)) for text in request["tensors"]]
    final = _placed(tf, config, graph, dict(zip(feeds, examples, strict=True)), fetches)
    del graph
    _check(tf, final, fetches)
    _restore_feeds(tf, final, feeds, dtypes)
    weights = _extract_weights(tf, final, request["max_files"])
    return final.SerializeToString(), weights


class _TensorFlow:
    """The modules of TensorFlow that are needed. Its package's own ``__init__`` would import four times as much."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("tensorflow")
        if spec is None or spec.submodule_search_locations is None:
            raise _RefusedError("TensorFlow's Python is not installed")
        package = types.ModuleType("tensorflow")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["tensorflow"] = package
        self.session: Any = _module("python.client.session")
        self.convert_to_constants: Any = _module("python.framework.convert_to_constants")
        self.importer: Any = _module("python.framework.importer")
        self.load_library: Any = _module("python.framework.load_library")
        self.op_def_registry: Any = _module("python.framework.op_def_registry")
        self.ops: Any = _module("python.framework.ops")
        self.tensor_util: Any = _module("python.framework.tensor_util")
        self.cluster: Any = _module("python.grappler.cluster")
        self.grappler: Any = _module("python.grappler._pywrap_tf_optimizer")
        self.loader: Any = _module("python.saved_model.loader_impl")
        self.config_pb2: Any = _module("core.protobuf.config_pb2")
        self.meta_graph_pb2: Any = _module("core.protobuf.meta_graph_pb2")
        self.graph_pb2: Any = _module("core.framework.graph_pb2")
        self.tensor_pb2: Any = _module("core.framework.tensor_pb2")


def _module(name: str) -> Any:
    return importlib.import_module(f"tensorflow.{name}")


def _tensor(tf: _TensorFlow, text: str) -> Any:
    return tf.tensor_pb2.TensorProto.FromString(base64.b64decode(text))


def _frozen(tf: _TensorFlow, config: Any, request: dict[str, Any]) -> Any:
    """The MetaGraphDef of the model with constants for its variables, ready for grappler."""
    graph = tf.ops.Graph()
    with graph.as_default(), tf.session.Session(config=config) as session:
        loaded = tf.loader.load(session, request["tags"], request["path"])
        names = sorted({_operation(name) for name in (*request["feeds"], *request["fetches"])})
        frozen = tf.convert_to_constants.convert_variables_to_constants_from_session_graph(
            session, graph.as_graph_def(), names
        )
    meta_graph = tf.meta_graph_pb2.MetaGraphDef(graph_def=frozen)
    for name in request["signatures"]:
        meta_graph.signature_def[name].CopyFrom(loaded.signature_def[name])
    meta_graph.collection_def["train_op"].node_list.value.extend(request["fetches"])
    return meta_graph


def _operation(tensor: str) -> str:
    return tensor.partition(":")[0]


def _dtypes(meta_graph: Any) -> dict[str, int]:
    """The data types of the fed operations."""
    infos = [info for each in meta_graph.signature_def.values() for info in each.inputs.values()]
    return {_operation(info.name): info.dtype for info in infos}


def _rewritten(tf: _TensorFlow, config: Any, meta_graph: bytes) -> Any:
    """The graph as grappler leaves it: functions inlined, constants folded, operations fused."""
    cluster = tf.cluster.Cluster()
    try:
        graph = tf.grappler.TF_OptimizeGraphSerialized(
            cluster.tf_cluster, config.SerializeToString(), meta_graph, False, "graph", False
        )
    finally:
        cluster.Shutdown()
    return tf.graph_pb2.GraphDef.FromString(graph)


def _placed(tf: _TensorFlow, config: Any, graph: Any, feed: dict[str, Any], fetches: Sequence[str]) -> Any:
    """The graph as it is executed, with the kernels that TensorFlow chose for this CPU, each told which weights stay.

    A session says that only of a step that has run, hence the example.
    """
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    imported = tf.ops.Graph()
    with imported.as_default():
        tf.importer.import_graph_def(graph, name="")
    graph.Clear()
    metadata = tf.config_pb2.RunMetadata()
    with tf.session.Session(graph=imported, config=config) as session:
        options = tf.config_pb2.RunOptions(output_partition_graphs=True)
        session.run(list(fetches), feed, options=options, run_metadata=metadata)
    if len(metadata.partition_graphs) != 1:
        raise _RefusedError(f"it runs on {len(metadata.partition_graphs)} devices; only what runs on one is optimised")
    return metadata.partition_graphs[0]


def _check(tf: _TensorFlow, graph: Any, fetches: Sequence[str]) -> None:
    """Nothing that keeps state may be left, and nothing that is fetched may be lost."""
    for node in _all_nodes(graph):
        known = tf.op_def_registry.get(node.op)
        if node.op in _TRANSFERS or (known is not None and known.is_stateful and node.op not in ("_Arg", "_Retval")):
            raise _RefusedError(f"the operation {node.op} is left in it")
    lost = {_operation(name) for name in fetches} - {node.name for node in graph.node}
    if lost:
        raise _RefusedError(f"the operation {min(lost)} was lost")


def _all_nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _restore_feeds(tf: _TensorFlow, graph: Any, feeds: Sequence[str], dtypes: dict[str, int]) -> None:
    """Arguments become placeholders again, under the names that are fed; the ends of the fetches go."""
    names = {}
    for node in graph.node:
        if node.op == "_Arg":
            match = _FEED.fullmatch(node.name)
            if match is None or match[2] != "0":
                raise _RefusedError(f"the fed tensor {node.name} is not the first output of its operation")
            names[node.name] = match[1]
    kept = [node for node in graph.node if node.op not in ("_Arg", "_Retval")]
    for node in kept:
        node.input[:] = [_renamed(name, names) for name in node.input]
        node.device = ""
        node.attr.pop("_class", None)
    others = tf.graph_pb2.GraphDef(node=kept)
    del graph.node[:]
    for name in map(_operation, feeds):
        placeholder = graph.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = dtypes[name]
        placeholder.attr["shape"].shape.unknown_rank = True
    graph.node.MergeFrom(others.node)


def _renamed(name: str, names: dict[str, str]) -> str:
    control = "^" if name.startswith("^") else ""
    operation, colon, index = name.removeprefix("^").partition(":")
    return f"{control}{names.get(operation, operation)}{colon}{index}"


def _extract_weights(tf: _TensorFlow, graph: Any, limit: int) -> list[bytes]:
    """Large constants, taken out of the graph, which reads each from a file instead: one copy less of each."""
    sized = [(node.ByteSize(), index) for index, node in enumerate(graph.node) if node.op == "Const"]
    weights: list[bytes] = []
    for size, index in sorted(sized, reverse=True)[:limit]:
        node = graph.node[index]
        array = tf.tensor_util.MakeNdarray(node.attr["value"].tensor) if size >= _WEIGHT_BYTES else None
        if array is None or array.dtype.hasobject or array.nbytes < _WEIGHT_BYTES:
            continue
        shape, dtype = node.attr["value"].tensor.tensor_shape.SerializeToString(), node.attr["dtype"].type
        node.op = "ImmutableConst"
        node.attr.clear()
        node.attr["dtype"].type = dtype
        node.attr["shape"].shape.MergeFromString(shape)
        node.attr["memory_region_name"].s = str(len(weights)).encode()
        weights.append(array.tobytes())
    return weights


if __name__ == "__main__":
    main()
