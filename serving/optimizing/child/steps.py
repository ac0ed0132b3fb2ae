"""The steps of a request, one by one: each is frozen and made into the kind of graph that is asked for."""

import base64
from collections.abc import Iterator
from typing import Any

from serving.optimizing.child.flattening import flat
from serving.optimizing.child.freezing import frozen
from serving.optimizing.child.modules import TensorFlow
from serving.optimizing.child.optimizing import optimized
from serving.optimizing.child.tables import filling
from serving.optimizing.child.weights import extract_weights

Part = tuple[bytes, list[bytes]]
"""A serialised graph, and the weights that are not in it."""


def parts(request: dict[str, Any]) -> Iterator[Part | Exception]:
    """What becomes of each step that is asked for, in order, or why nothing does.

    Raises whatever TensorFlow does if the model cannot be loaded.
    """
    tf = TensorFlow()
    for library in request["libraries"]:
        tf.load_library.load_op_library(library)
    config = tf.config_pb2.ConfigProto.FromString(base64.b64decode(request["config"]))
    config.intra_op_parallelism_threads = config.inter_op_parallelism_threads = 1
    graph = tf.ops.Graph()
    with graph.as_default(), tf.session.Session(config=config) as session:
        loaded = tf.loader.load(session, request["tags"], request["path"])
        for step in request["steps"]:
            try:
                meta_graph = frozen(tf, session, loaded.signature_def, step)
                fills = filling(tf, session, meta_graph.graph_def)
                if request["kind"] == "flat":
                    made = flat(tf, meta_graph, fills, step["fetches"])
                else:
                    made = optimized(tf, config, meta_graph, fills, step)
                del meta_graph
                weights = extract_weights(tf, made, request["max_files"])
                yield made.SerializeToString(), weights
            except Exception as error:  # noqa: BLE001 - one step that cannot be had leaves the others
                yield error
