"""Which signatures keep state from call to call: operations that do, and variables that others change."""

from pathlib import Path
from typing import Any

import pytest

from serving.optimizing import graph_state, operations
from serving.optimizing.candidates import NotOptimizedError
from serving.protos import message
from tests.unit.optimizing.graphs import index, signature

NO_STATE = {"Add", "PartitionedCall", "StatelessCase", "Identity", "Placeholder", "NoOp", "Const"}.union(
    *(group.operations for group in operations.WITHOUT_STATE)
)
ASSIGNS = "keeps state from call to call"


def reason(graph: Any, outputs: str = "y:0", inputs: str = "x:0") -> str | None:
    return graph_state.states(graph, {"s": signature({"x": inputs}, {"y": outputs})}, NO_STATE)["s"].reason


@pytest.mark.parametrize(
    ("lines", "functions", "found"),
    [
        pytest.param(["y = Add(v)", "v = ReadVariableOp(h)", "h = VarHandleOp()"], {}, None, id="reads"),
        pytest.param(["y = Add(r:1)", "r = RandomUniform()"], {}, "RandomUniform (r)", id="random"),
        pytest.param(["y = Add(^a)", "a = AssignVariableOp()"], {}, "AssignVariableOp (a)", id="control"),
        pytest.param(["y = Add(a)", "a = Assign()"], {}, "Assign (a)", id="reference"),
        pytest.param(["y = Add()", "a = AssignVariableOp(y)"], {}, None, id="not reached"),
        pytest.param(["y = Add(x)", "x = IteratorGetNext()"], {}, None, id="fed"),
        pytest.param(["y = Add(x:1)", "x = IteratorGetNext()"], {}, "IteratorGetNext (x)", id="fed beside it"),
        pytest.param(["y = Mine()"], {}, "Mine (y)", id="not described"),
        pytest.param(["y = Add(^a)", "a = Assert(x)", "x = Placeholder()"], {}, None, id="assertion"),
        pytest.param(
            ["y = PartitionedCall() f=f"], {"f() -> ": ["r = RandomUniform()"]}, "RandomUniform (r)", id="called"
        ),
        pytest.param(
            ["y = PartitionedCall() f=f"],
            {
                "f() -> ": ["a = Add()", "b = PartitionedCall() f=g"],
                "g() -> ": ["a = PartitionedCall() f=g", "c/r = RandomUniform()"],
            },
            "RandomUniform (c/r)",
            id="called by what is called",
        ),
        pytest.param(
            ["y = StatelessCase() branches=g,f"],
            {"f() -> ": ["a = Assign()"], "g() -> ": []},
            "Assign (a)",
            id="branch",
        ),
        pytest.param(["y = f()"], {"f() -> ": ["a = Assign()"]}, "Assign (a)", id="function as operation"),
        pytest.param(["y = f()"], {"f() -> ": ["a = Add()", "b = f()"]}, None, id="recursion"),
        pytest.param(["y = PartitionedCall() f=f"], {"g() -> ": ["a = Assign()"]}, None, id="not called"),
        pytest.param(["y = Add(z)", "z = Add(y)"], {}, None, id="loop"),
    ],
)
def test_operations_with_state(lines: list[str], functions: dict[str, list[str]], found: str | None) -> None:
    """An operation that keeps state is found where an output depends on it, and only there."""
    expected = None if found is None else f"the operation {found} {ASSIGNS}"
    assert reason(index(*lines, functions=functions)) == expected


COUNTER = {
    "increment(by, counter) -> a:value:0": ["a = AssignAddVariableOp(counter, by)"],
    "read(counter, weights) -> r:value:0, s:value:0": ["r = ReadVariableOp(counter)", "s = ReadVariableOp(weights)"],
    "weigh(weights) -> s:value:0": ["s = ReadVariableOp(weights)"],
    "through(by, handle) -> c:output:0": [
        "i = Identity(handle)",
        "c = StatefulPartitionedCall(by, i:output:0) f=increment",
    ],
    "loop(by, counter) -> by, counter": ["a = AssignAddVariableOp(counter, by)"],
}
HELD = ["counter = VarHandleOp() shared_name=c", "weights = VarHandleOp() shared_name=w", "x = Placeholder()"]
READS = [
    "read = StatefulPartitionedCall(counter, weights) f=read",
    "weigh = StatefulPartitionedCall(weights) f=weigh",
]


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        pytest.param("y = StatefulPartitionedCall(x, counter) f=increment", {"read"}, id="by a call"),
        pytest.param("y = StatefulPartitionedCall(x, counter) f=through", {"read"}, id="by a call of a call"),
        pytest.param("y = If(x, x, counter) then_branch=increment", {"read"}, id="by a branch"),
        pytest.param("y = While(x, counter) body=loop", {"read"}, id="by a loop"),
        pytest.param("y = While(x, counter, weights) body=loop", {"read", "weigh"}, id="perhaps, by a loop"),
        pytest.param("y = Dataset(x, counter, weights) f=increment", {"read", "weigh"}, id="perhaps, by another"),
        pytest.param("y = AssignVariableOp(weights, x)", {"read", "weigh"}, id="in the graph"),
        pytest.param("y = AssignVariableOp(counter, v); v = ReadVariableOp(weights)", {"read"}, id="to what it reads"),
        pytest.param("y = StatefulUniform(counter)", {"read"}, id="by random numbers"),
        pytest.param("y = Add(x)", set(), id="not at all"),
    ],
)
def test_variables_that_another_signature_changes(line: str, refused: set[str]) -> None:
    """What a signature reads counts as state if calls of another can assign to it."""
    signatures = {name: signature({}, {"y": f"{name}:0"}) for name in ("read", "weigh")}
    signatures["change"] = signature({"x": "x:0"}, {"y": "y:0"})
    found = graph_state.states(index(*HELD, *READS, *line.split("; "), functions=COUNTER), signatures, NO_STATE)
    assert {name for name, state in found.items() if state.reason and name != "change"} == refused
    assert bool(found["change"].reason) is bool(refused)


def test_reason_names_what_changes_a_variable() -> None:
    """The text has the operation, its signature and the variable."""
    graph = index(*HELD, *READS, "y = StatefulPartitionedCall(x, counter) f=increment", functions=COUNTER)
    signatures = {"read": signature({}, {"y": "read:0"}), "add": signature({"x": "x:0"}, {"y": "y:0"})}
    assert graph_state.states(graph, signatures, NO_STATE)["read"].reason == (
        "the operation AssignAddVariableOp (a) of the signature add changes c, which it uses"
    )


def test_a_handle_out_of_a_function() -> None:
    """A variable is followed out of the function that gives it, and through what passes it on."""
    graph = index(
        *HELD,
        *READS,
        "h = StatefulPartitionedCall() f=given",
        "i = Identity(h)",
        "y = AssignVariableOp(i, x)",
        functions={**COUNTER, "given() -> v:resource:0": ["v = VarHandleOp() shared_name=c"]},
    )
    signatures = {"read": signature({}, {"y": "read:0"}), "set": signature({"x": "x:0"}, {"y": "y:0"})}
    assert graph_state.states(graph, signatures, NO_STATE)["read"].reason is not None


TABLE = ["t = HashTableV2() shared_name=t", "y = LookupTableFindV2(t, x)", "init = InitializeTableV2(t)"]


def test_tables_that_only_their_initializer_fills() -> None:
    """A lookup keeps nothing; that the table has to be filled is said."""
    states = graph_state.states(index(*TABLE), {"s": signature({"x": "x:0"}, {"y": "y:0"})}, NO_STATE)
    assert states["s"] == graph_state.SignatureState(reason=None)


def test_tables_that_a_signature_fills() -> None:
    """A table that calls can fill is state for all that look it up."""
    signatures = {"look": signature({"x": "x:0"}, {"y": "y:0"}), "fill": signature({}, {"y": "init"})}
    states = graph_state.states(index(*TABLE), signatures, NO_STATE)
    assert "the operation InitializeTableV2 (init) of the signature fill changes t" in str(states["look"].reason)


def test_tables_that_can_change() -> None:
    """A mutable table is state, whoever fills it."""
    assert reason(index("t = MutableHashTableV2()", "y = LookupTableFindV2(t, x)")) == (
        f"the operation MutableHashTableV2 (t) {ASSIGNS}"
    )


def test_what_is_for_the_loader_does_not_count() -> None:
    """Initialisers assign once, when the model is loaded."""
    signatures = {
        "read": signature({}, {"y": "read:0"}),
        "__saved_model_init_op": signature({}, {"__saved_model_init_op": "a"}),
    }
    graph = index(*HELD, *READS, "a = AssignVariableOp(counter, x)", functions=COUNTER)
    assert graph_state.states(graph, signatures, NO_STATE) == {"read": graph_state.SignatureState()}


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        pytest.param(["serve"], "saved_model.pb has no graph with its tags", id="tags"),
        (None, "cannot be read: No such"),
    ],
)
def test_files_without_the_graph(tmp_path: Path, tags: list[str] | None, reason: str) -> None:
    """What cannot be read is not optimised."""
    file = tmp_path / "saved_model.pb"
    if tags is not None:
        saved = message("tensorflow.SavedModel")()
        saved.meta_graphs.add().meta_info_def.tags.append("train")
        file.write_bytes(saved.SerializeToString())
    with pytest.raises(NotOptimizedError, match=reason):
        graph_state.read_meta_graph(file, ["serve"])
