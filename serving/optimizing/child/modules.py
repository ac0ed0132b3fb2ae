"""The modules of TensorFlow's Python that the child needs, imported without the package's own ``__init__``."""

import importlib
import importlib.util
import sys
import types
from typing import Any


class RefusedError(Exception):
    """The model cannot be optimised; the text says why."""


class TensorFlow:
    """The modules. Their package's ``__init__`` would import four times as much. Raises RefusedError without them."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("tensorflow")
        if spec is None or spec.submodule_search_locations is None:
            raise RefusedError("TensorFlow's Python is not installed")
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
        self.int32: int = _module("core.framework.types_pb2").DT_INT32


def _module(name: str) -> Any:
    return importlib.import_module(f"tensorflow.{name}")
