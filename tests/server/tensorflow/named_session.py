"""A TensorFlow session that is given names, as TensorFlow Serving gives them: what ours is compared with. No tests."""

import ctypes
import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.core.tensor import DataType, Tensor
from serving.protos import message
from serving.servables import libtensorflow
from serving.servables.tensors import from_tensorflow, to_tensorflow

GraphDef = message("tensorflow.GraphDef")
ONE = Tensor(DataType.FLOAT, np.ones(1, np.float32))

_P, _INT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
_ARGUMENTS = {
    "TF_NewDeprecatedSession": (_P, (_P, _P)),
    "TF_DeleteDeprecatedSession": (None, (_P, _P)),
    "TF_ExtendGraph": (None, (_P, ctypes.c_char_p, _SIZE, _P)),
    "TF_Run": (None, (_P, _P, _P, _P, _INT, _P, _P, _INT, _P, _INT, _P, _P)),
}


@functools.cache
def _function(name: str) -> Any:
    path = libtensorflow.directory() / "libtensorflow_cc.so.2"
    function = ctypes.CDLL(str(path), mode=os.RTLD_LOCAL | os.RTLD_LAZY)[name]
    function.restype, function.argtypes = _ARGUMENTS[name]
    return function


def graph() -> Any:
    """``score`` is twice ``x``, ``both`` is ``score`` and ``z``; ``split`` has two results, ``init`` none."""
    made = GraphDef()
    for name in ("x", "z"):
        node = made.node.add(name=name, op="Placeholder")
        node.attr["dtype"].type = DataType.FLOAT
        node.attr["shape"].shape.dim.add(size=-1)
    for name, inputs in (("score", ("x", "x")), ("both", ("score", "z"))):
        made.node.add(name=name, op="AddV2", input=inputs).attr["T"].type = DataType.FLOAT
    made.node.add(name="init", op="NoOp")
    _constant(made, "axis", DataType.INT32).int_val.append(0)
    pair = _constant(made, "pair", DataType.FLOAT)
    pair.tensor_shape.dim.add(size=2)
    pair.float_val[:] = [1, 2]
    split = made.node.add(name="split", op="Split", input=("axis", "pair"))
    split.attr["T"].type, split.attr["num_split"].i = DataType.FLOAT, 2
    return made


def _constant(made: Any, name: str, dtype: DataType) -> Any:
    """The value of a new constant, to be filled in."""
    node = made.node.add(name=name, op="Const")
    node.attr["dtype"].type = node.attr["value"].tensor.dtype = dtype
    node.attr["value"].tensor.tensor_shape.SetInParent()
    return node.attr["value"].tensor


class NamedSession:
    """A session on a GraphDef message; ``close`` ends it."""

    def __init__(self, graph_def: Any) -> None:
        self._library = libtensorflow.load()
        options, data = self._library.NewSessionOptions(), graph_def.SerializeToString()
        with self._library.checked() as status:
            self._session = _function("TF_NewDeprecatedSession")(options, status)
        self._library.DeleteSessionOptions(options)
        with self._library.checked() as status:
            _function("TF_ExtendGraph")(self._session, data, len(data), status)

    def run(self, feeds: Sequence[str], fetches: Sequence[str]) -> list[list[float]]:
        """Feed a one to each of ``feeds``. Raises what TensorFlow says."""
        given = (_P * len(feeds))(*[to_tensorflow(self._library, ONE) for _ in feeds])
        got = (_P * len(fetches))()
        with self._library.checked() as status:
            fed, fetched = (_names(feeds), given, len(feeds)), (_names(fetches), got, len(fetches))
            _function("TF_Run")(self._session, None, *fed, *fetched, None, 0, None, status)
        return [from_tensorflow(self._library, handle).array.tolist() for handle in got if handle]

    def close(self) -> None:
        with self._library.checked() as status:
            _function("TF_DeleteDeprecatedSession")(self._session, status)


def _names(names: Sequence[str]) -> Any:
    return (ctypes.c_char_p * len(names))(*[name.encode() for name in names])
