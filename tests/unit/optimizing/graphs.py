"""Graphs made by hand, of nodes that are written as one line each, and signatures over their tensors."""

import re
from collections.abc import Mapping
from typing import Any

from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType
from serving.optimizing.graph_index import GraphIndex
from serving.protos import MetaGraphDef

_LINE = re.compile(r"(\S+) = (\w+)\(([^)]*)\)(.*)")
_FUNCTION = re.compile(r"(\w+)\(([^)]*)\) -> (.*)")
_CALLED = ("f", "body", "then_branch")


def meta_graph(*lines: str, functions: Mapping[str, list[str]] | None = None) -> Any:
    """A MetaGraphDef of nodes such as ``y = Add(x, ^z) shared_name=v``.

    ``functions`` are headed like ``f(a, b) -> y:z:0, ^assert``: what is called, its arguments, and its results. The
    attributes ``f``, ``body`` and ``then_branch`` name functions, ``branches`` two of them.
    """
    made = MetaGraphDef()
    for line in lines:
        _fill(made.graph_def.node.add(), line)
    for head, body in (functions or {}).items():
        name, arguments, results = _FUNCTION.fullmatch(head).groups()  # type: ignore[union-attr]
        function = made.graph_def.library.function.add()
        function.signature.name = name
        for argument in filter(None, arguments.split(", ")):
            function.signature.input_arg.add(name=argument, type=DataType.FLOAT)
        for index, result in enumerate(filter(None, results.split(", "))):
            if result.startswith("^"):
                function.control_ret[f"c{index}"] = result[1:]
            else:
                function.signature.output_arg.add(name=f"r{index}", type=DataType.FLOAT)
                function.ret[f"r{index}"] = result
        for line in body:
            _fill(function.node_def.add(), line)
    return made


def index(*lines: str, functions: Mapping[str, list[str]] | None = None) -> GraphIndex:
    """The graph of such a MetaGraphDef."""
    return GraphIndex(meta_graph(*lines, functions=functions).graph_def)


def _fill(node: Any, line: str) -> None:
    match = _LINE.fullmatch(line)
    assert match is not None, line
    node.name, node.op = match[1], match[2]
    node.input.extend(filter(None, match[3].split(", ")))
    for attribute in match[4].split():
        name, _, value = attribute.partition("=")
        if name in _CALLED:
            node.attr[name].func.name = value
        elif name == "branches":
            for each in value.split(","):
                node.attr[name].list.func.add(name=each)
        else:
            node.attr[name].s = value.encode()


def signature(
    inputs: Mapping[str, str], outputs: Mapping[str, str], name: str = "s", dtype: DataType = DataType.FLOAT
) -> Signature:
    """A signature of vectors, floats unless ``dtype`` says otherwise, with these graph tensors."""

    def infos(names: Mapping[str, str], dtype: DataType) -> dict[str, TensorInfo]:
        return {alias: TensorInfo(name=tensor, dtype=dtype, shape=(-1,)) for alias, tensor in names.items()}

    return Signature(name=name, inputs=infos(inputs, dtype), outputs=infos(outputs, DataType.FLOAT))
