"""Graphs and functions as tables: nodes by name, inputs in one spelling, an order in which inputs come first."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serving.core import tensor_name
from serving.openvino import constants
from serving.openvino.call import Call, Rule
from serving.openvino.facts import Fact, TensorFlowOnlyError

_LATER_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "FusedBatchNormV3": ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3")
}
"""Operations with several named outputs, of those that OpenVINO may compute; the others' are counted from 0."""

_COARSE_USES = ("Add", "AddV2", "Identity", "IdentityN")


def graph_tensor(name: str) -> str:
    """A data input in a GraphDef as ``operation:index``."""
    return str(tensor_name.parse(name))


def operation(tensor: str) -> str:
    """The operation of a tensor or of a control input, in a GraphDef or a FunctionDef."""
    return tensor.removeprefix("^").partition(":")[0]


def data_inputs(node: Any) -> list[str]:
    """The names of a node's data inputs as they are written."""
    return [name for name in node.input if not name.startswith("^")]


def control_inputs(node: Any) -> list[str]:
    """The operations that must have run before a node."""
    return [name[1:] for name in node.input if name.startswith("^")]


def apart(nodes: Mapping[str, Any], tensor: str) -> str:
    """The tensor that ``taken_apart`` has in place of one of a graph."""
    single = f"{operation(tensor)}/output_{tensor.rpartition(':')[2]}"
    return f"{single}:0" if single in nodes else tensor


def taken_apart(nodes: Mapping[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The nodes with an Identity for each output of every IdentityN, for one engine may compute only some of them.

    ``known`` gets what it has for the old outputs under the new ones' names too. The old nodes stay, for what waits for
    them without taking a value.
    """
    result = dict(nodes)
    for node in nodes.values():
        for index, name in enumerate(data_inputs(node) if node.op == "IdentityN" else ()):
            single = type(node)(name=f"{node.name}/output_{index}", op="Identity")
            single.input.extend([name, *(f"^{control}" for control in control_inputs(node))])
            single.attr["T"].type = node.attr["T"].list.type[index]
            result[single.name] = single
            if f"{node.name}:{index}" in known:
                known[f"{single.name}:0"] = known[f"{node.name}:{index}"]
    for name, node in result.items():
        if any(apart(result, graph_tensor(each)) != graph_tensor(each) for each in data_inputs(node)):
            copy = type(node)()
            copy.CopyFrom(node)
            copy.input[:] = [each if each.startswith("^") else apart(result, graph_tensor(each)) for each in node.input]
            result[name] = copy
    return result


def ordered(nodes: Mapping[str, Any], wanted: Iterable[str]) -> list[Any]:
    """The ``wanted`` nodes and all that they need, data and control, inputs first. TensorFlowOnlyError for a cycle."""
    done: dict[str, Any] = {}
    open_: set[str] = set()
    waiting = [(name, False) for name in wanted]
    while waiting:
        name, inputs_done = waiting.pop()
        if name in done or name not in nodes:
            continue
        node = nodes[name]
        if inputs_done:
            done[name] = node
            continue
        if name in open_:
            raise TensorFlowOnlyError(f"the operation {name} needs itself")
        open_.add(name)
        waiting.append((name, True))
        waiting.extend((operation(each), False) for each in node.input if operation(each) not in done)
    return list(done.values())


def outputs_of(
    node: Any, inputs: Mapping[str, Fact], names: Sequence[str], rules: Mapping[str, Rule], functions: Mapping[str, Any]
) -> tuple[Fact, ...]:
    """What is known of a node's outputs. TensorFlowOnlyError if it is not OpenVINO's."""
    rule = rules.get(node.op)
    if rule is None:
        raise TensorFlowOnlyError(f"{node.op} is TensorFlow's alone")
    facts = tuple(inputs[name] for name in names)
    if any(fact.coarse for fact in facts) and node.op not in _COARSE_USES:
        raise TensorFlowOnlyError("it takes an error function, whose small values engines compute differently")
    try:
        return rule(Call(node=node, names=tuple(names), inputs=facts, functions=functions, rules=rules))
    except (IndexError, KeyError, ValueError) as error:
        # Inputs or attributes that TensorFlow would not have either; what it says of them is the answer.
        raise TensorFlowOnlyError("it has inputs or attributes that its operation does not") from error


class Function:
    """A FunctionDef: the body or the condition of a loop, as its rule asks about it."""

    def __init__(self, definition: Any) -> None:
        self._nodes = {node.name: node for node in definition.node_def}
        self.arguments = tuple(f"{argument.name}:0" for argument in definition.signature.input_arg)
        self._returned = tuple(definition.ret[argument.name] for argument in definition.signature.output_arg)

    def tensor(self, name: str) -> str:
        """A data input in a FunctionDef as ``operation:index``."""
        name_of, _, output = name.partition(":")
        word, _, index = output.rpartition(":")
        if name_of not in self._nodes:
            return f"{name_of}:0"
        places = _LATER_OUTPUTS.get(self._nodes[name_of].op)
        return f"{name_of}:{places.index(word) if places else int(index or 0)}"

    def facts(
        self, arguments: Sequence[Fact], rules: Mapping[str, Rule], functions: Mapping[str, Any]
    ) -> tuple[Fact, ...]:
        """What is known of what it returns. TensorFlowOnlyError if any of its operations is not OpenVINO's."""
        found = dict(zip(self.arguments, arguments, strict=True))
        for node in ordered(self._nodes, self._nodes):
            names = [self.tensor(name) for name in data_inputs(node)]
            try:
                outputs = outputs_of(node, found, names, rules, functions)
            except TensorFlowOnlyError as error:
                error.args = (f"in its {node.op} {node.name}: {error}",)
                raise
            found |= {f"{node.name}:{index}": fact for index, fact in enumerate(outputs)}
        return tuple(found[self.tensor(name)] for name in self._returned)

    def returned(self, index: int) -> str:
        """The tensor that it returns, or the argument if it returns one as it is."""
        return self._source(self.tensor(self._returned[index]))

    def keeps(self, index: int) -> bool:
        """Whether it returns an argument as it is in the same place."""
        return self.returned(index) == self.arguments[index]

    def adds_one(self, index: int) -> bool:
        """Whether it returns an argument plus 1 in the same place."""
        node = self._nodes.get(operation(self.returned(index)))
        if node is None or node.op not in ("Add", "AddV2"):
            return False
        one, other = self._sources(node)
        argument = self.arguments[index]
        return (one == argument and self.constant(other) == 1) or (other == argument and self.constant(one) == 1)

    def constant(self, tensor: str) -> int | None:
        """The number that a tensor always is."""
        node = self._nodes.get(operation(tensor))
        if node is None or node.op != "Const":
            return None
        value = constants.array(node.attr["value"].tensor)
        return int(value.item()) if value is not None and value.size == 1 and value.dtype.kind == "i" else None

    def comparisons(self) -> list[tuple[str, str]] | None:
        """Both sides of every ``left < right`` if what it returns is true exactly when all of them are, or None."""
        found = []
        waiting = [self.returned(0)]
        while waiting:
            node = self._nodes.get(operation(waiting.pop()))
            if node is None or node.op not in ("Less", "LogicalAnd"):
                return None
            one, other = self._sources(node)
            if node.op == "Less":
                found.append((one, other))
            else:
                waiting += [one, other]
        return found

    def _sources(self, node: Any) -> tuple[str, str]:
        one, other = (self._source(self.tensor(name)) for name in data_inputs(node))
        return one, other

    def _source(self, tensor: str) -> str:
        while (node := self._nodes.get(operation(tensor))) is not None and node.op == "Identity":
            tensor = self.tensor(data_inputs(node)[0])
        return tensor
