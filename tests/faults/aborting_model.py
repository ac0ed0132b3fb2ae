"""A SavedModel that answers, but for a signature whose run ends the process by TensorFlow's operation ``Abort``."""

from pathlib import Path
from typing import Any

from serving.protos import message

SAYS = "this model ends its server"
"""What is in the log then."""

_FLOAT = 1


def write(version: Path, *, at_load: bool = False) -> None:
    """Write the model; ``y`` is ``x``, the signature ``abort`` never gives its ``y``; ``at_load`` ends a load."""
    saved_model = message("tensorflow.SavedModel")(saved_model_schema_version=1)
    meta_graph = saved_model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    nodes = meta_graph.graph_def.node
    nodes.add(name="x", op="Placeholder").attr["dtype"].type = _FLOAT
    nodes[0].attr["shape"].shape.dim.add(size=-1)
    nodes.add(name="y", op="Identity", input=["x"]).attr["T"].type = _FLOAT
    nodes.add(name="abort", op="Abort", input=["^x"]).attr["error_msg"].s = SAYS.encode()
    nodes.add(name="never", op="Identity", input=["x", "^abort"]).attr["T"].type = _FLOAT
    for name, output in (("serving_default", "y:0"), ("abort", "never:0")):
        signature = meta_graph.signature_def[name]
        signature.method_name = "tensorflow/serving/predict"
        _fill(signature.inputs["x"], "x:0")
        _fill(signature.outputs["y"], output)
    if at_load:
        nodes.add(name="initial", op="Abort").attr["error_msg"].s = SAYS.encode()
        meta_graph.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "initial"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(saved_model.SerializeToString())


def _fill(info: Any, name: str) -> None:
    info.name, info.dtype = name, _FLOAT
    info.tensor_shape.dim.add(size=-1)
