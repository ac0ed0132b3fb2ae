"""What the tests of the engine share: loading a model, calling its signatures, tensors by their values."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from serving.core.servable import Run, Servable
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.protos import message
from serving.servables.saved_model import SavedModelOptions, SavedModelServable, load_saved_model

NO_LIMIT = 0


@contextmanager
def loaded(
    path: Path, options: SavedModelOptions | None = None, executor: Executor | None = None
) -> Iterator[SavedModelServable]:
    """A model that is closed at the end; with a pool of its own unless ``executor`` is given."""
    with ThreadPoolExecutor(2) as own:
        servable = load_saved_model(path, options or SavedModelOptions(), executor or own)
        try:
            yield servable
        finally:
            servable.close()


def tensor(dtype: DataType, values: Any) -> Tensor:
    """A tensor of nested lists; strings are given as bytes."""
    return Tensor(dtype, np.array(values, STORAGE[dtype]))


def floats(*values: float) -> Tensor:
    """A float vector."""
    return tensor(DataType.FLOAT, values)


def strings(*values: bytes) -> Tensor:
    """A string vector."""
    array = np.empty(len(values), object)
    array[:] = values
    return Tensor(DataType.STRING, array)


def resolve(servable: Servable, signature_name: str) -> Run:
    """The call of a whole signature."""
    signature = servable.signatures[signature_name]
    return servable.resolve(signature.feeds(tuple(signature.inputs)).names, signature.fetches(()).names)


def call(
    servable: Servable, inputs: Mapping[str, Tensor], signature_name: str = "serving_default"
) -> dict[str, Tensor]:
    """Run a signature without a time limit; outputs by their aliases."""
    signature = servable.signatures[signature_name]
    feeds, fetches = signature.feeds(tuple(inputs)), signature.fetches(())
    run = servable.resolve(feeds.names, fetches.names)
    outputs = run([*(inputs[alias] for alias in feeds.aliases), *feeds.defaults], NO_LIMIT)
    return dict(zip(fetches.aliases, outputs, strict=True))


def write_string_variable(path: Path) -> None:
    """A SavedModel whose signature ``assign`` keeps the strings ``s`` in a variable, and ``read`` gives them."""
    saved_model = message("tensorflow.SavedModel")(saved_model_schema_version=1)
    meta_graph = saved_model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    for name, operation, inputs, type_attribute in (
        ("s", "Placeholder", (), "dtype"),
        ("kept", "VarHandleOp", (), "dtype"),
        ("assign", "AssignVariableOp", ("kept", "s"), "dtype"),
        ("assigned", "Identity", ("s", "^assign"), "T"),
        ("read", "ReadVariableOp", ("kept",), "dtype"),
    ):
        node = meta_graph.graph_def.node.add(name=name, op=operation, input=inputs)
        node.attr[type_attribute].type = DataType.STRING
        if operation in ("Placeholder", "VarHandleOp"):
            node.attr["shape"].shape.unknown_rank = True
    assign, read = meta_graph.signature_def["assign"], meta_graph.signature_def["read"]
    assign.inputs["s"].CopyFrom(_string_info("s:0"))
    assign.outputs["out"].CopyFrom(_string_info("assigned:0"))
    read.outputs["out"].CopyFrom(_string_info("read:0"))
    (path / "saved_model.pb").write_bytes(saved_model.SerializeToString())


def _string_info(name: str) -> Any:
    info = message("tensorflow.TensorInfo")(name=name, dtype=DataType.STRING)
    info.tensor_shape.unknown_rank = True
    return info
