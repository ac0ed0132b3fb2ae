"""Runs the converter of examples/session_bundle many times in one process, for its tests; not a test.

usage: convert_many.py DIR <COMMANDS >OUTCOMES

First writes DIR/resources, a SessionBundle: y = slope * x with a resource variable. COMMANDS is
a JSON list of argument lists, OUTCOMES one of [status, what was printed].
"""

import contextlib
import importlib
import io
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "session_bundle"))

import tensorflow as tf

from tests.server.tensorflow.make_models import bindings, put, signatures

tf1 = tf.compat.v1
CONVERTER = importlib.import_module("convert")


def write_resources(path: Path) -> None:
    """y = slope * x, where slope is 3 and a resource variable."""
    path.mkdir(parents=True)
    with tf1.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None], name="x")
        slope = tf1.Variable(3.0, name="slope", use_resource=True)
        tf.multiply(slope, x, name="y")
        saver = tf1.train.Saver([slope])
        session.run(slope.initializer)
        saver.save(session, str(path / "export"), write_meta_graph=False, write_state=False)
        meta_graph = saver.export_meta_graph()
    put(meta_graph, "serving_signatures", [signatures(None, inputs=bindings(x="x:0"), outputs=bindings(y="y:0"))])
    (path / "export.meta").write_bytes(meta_graph.SerializeToString())


def run(arguments: list[str]) -> tuple[int, str]:
    """The status of the converter, and what it printed to either stream."""
    printed = io.StringIO()
    sys.argv[1:] = arguments
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status: int = CONVERTER.main()
    return status, printed.getvalue()


if __name__ == "__main__":
    write_resources(Path(sys.argv[1]) / "resources")
    outcomes = [run(arguments) for arguments in json.load(sys.stdin)]
    print(json.dumps(outcomes))
