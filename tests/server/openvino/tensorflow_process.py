"""A process that has TensorFlow's Python: makes the graphs as a SavedModel's child would, and answers with TensorFlow.

It takes pickled requests on its standard input and answers on the standard output that it was started with.
"""

import os
import pickle
import sys
import tempfile
from collections.abc import Mapping
from typing import Any


def main() -> None:
    """Answer until there are no more requests."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import tensorflow as tf

    from tests.server.openvino.graphs import CASES

    sessions: dict[bytes, Any] = {}
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        kind, *arguments = request
        pickle.dump(flattened(tf, CASES[arguments[0]]) if kind == "flatten" else run(tf, sessions, *arguments), answers)
        answers.flush()


def flattened(tf: Any, case: Any) -> tuple[bytes, dict[str, str], list[str], dict[str, tuple[int, list[int] | None]]]:
    """The frozen graph, its feeds by input, its fetches, and what TensorFlow knows of each tensor."""
    with tempfile.TemporaryDirectory() as directory:
        _save(tf, case, directory)
        frozen, signature = _frozen(tf, directory)
    graph = _folded(tf, frozen, signature)
    feeds = {name: info.name for name, info in signature.inputs.items()}
    fetches = [signature.outputs[name].name for name in sorted(signature.outputs)]
    return graph.SerializeToString(), feeds, fetches, _specs(tf, graph)


def _save(tf: Any, case: Any, directory: str) -> None:
    specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (dtype, shape) in case.signature.items()}

    kept: dict[str, Any] = {}

    def served(inputs: Mapping[str, Any]) -> dict[str, Any]:
        found = case.function(tf, **inputs, **kept)
        return {f"output_{i}": each for i, each in enumerate(found if isinstance(found, list) else [found])}

    module = tf.Module()
    if case.variable is not None:
        module.variable = kept["variable"] = tf.Variable(case.variable)
    module.served = tf.function(served, input_signature=[specs])
    tf.saved_model.save(module, directory, signatures=module.served)


def _frozen(tf: Any, directory: str) -> tuple[Any, Any]:
    from tensorflow.python.framework import convert_to_constants

    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], directory)
        signature = loaded.signature_def["serving_default"]
        infos = [*signature.inputs.values(), *signature.outputs.values()]
        names = sorted({info.name.partition(":")[0] for info in infos})
        frozen = convert_to_constants.convert_variables_to_constants_from_session_graph(
            session, graph.as_graph_def(), names
        )
    return frozen, signature


def _folded(tf: Any, frozen: Any, signature: Any) -> Any:
    """With functions inlined and constants folded, and loops left as they are."""
    from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2
    from tensorflow.python.grappler import tf_optimizer

    for nodes in (frozen.node, *(function.node_def for function in frozen.library.function)):
        for node in nodes:
            node.attr.pop("_lower_using_switch_merge", None)
    meta_graph = meta_graph_pb2.MetaGraphDef(graph_def=frozen)
    meta_graph.signature_def["serving_default"].CopyFrom(signature)
    fetches = [info.name for info in signature.outputs.values()]
    meta_graph.collection_def["train_op"].node_list.value.extend(fetches)
    config = config_pb2.ConfigProto()
    rewriting = config.graph_options.rewrite_options
    rewriting.optimizers.extend(["function", "pruning", "constfold"])
    rewriting.min_graph_nodes = -1
    rewriting.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.TWO
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _specs(tf: Any, graph: Any) -> dict[str, tuple[int, list[int] | None]]:
    imported = tf.Graph()
    with imported.as_default():
        tf.graph_util.import_graph_def(graph, name="")
    tensors = [tensor for operation in imported.get_operations() for tensor in operation.outputs]
    return {tensor.name: (tensor.dtype.as_datatype_enum, _sizes(tensor.shape)) for tensor in tensors}


def _sizes(shape: Any) -> list[int] | None:
    return None if shape.rank is None else [-1 if size is None else size for size in shape.as_list()]


def run(tf: Any, sessions: dict[bytes, Any], graph: bytes, feed: Mapping[str, Any], fetches: list[str]) -> Any:
    """What TensorFlow answers: arrays, or the text of its error."""
    if graph not in sessions:
        imported = tf.Graph()
        with imported.as_default():
            tf.graph_util.import_graph_def(tf.compat.v1.GraphDef.FromString(graph), name="")
        sessions[graph] = tf.compat.v1.Session(graph=imported)
    try:
        return sessions[graph].run(fetches, dict(feed))
    except (tf.errors.OpError, ValueError) as error:
        return str(error)


if __name__ == "__main__":
    main()
