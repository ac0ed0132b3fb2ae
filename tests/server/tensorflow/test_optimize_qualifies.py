"""Which operations count as state, held to the list that TensorFlow itself has."""

import pytest

from serving.optimizing import operations

RANDOM = {"Multinomial", "TruncatedNormal", "SampleDistortedBoundingBox", "UniformCandidateSampler"}


def test_table_names_operations_that_tensorflow_has() -> None:
    """No exception is made for what is not there, nor for what is no exception."""
    known = operations.known_operations()
    for group in operations.WITHOUT_STATE:
        assert {name for name in group.operations if not operations.is_marked(known[name])} == set()
    for group in operations.WITH_STATE:
        assert {name for name in group.operations if operations.is_marked(known[name])} == set()


def test_marked_operations_that_are_allowed() -> None:
    """Of all that TensorFlow marks as stateful, those of the table and no others may be optimised."""
    marked = {name for name, op in operations.known_operations().items() if operations.is_marked(op)}
    allowed = {name for group in operations.WITHOUT_STATE for name in group.operations}
    assert len(marked) > 600
    assert marked & operations.operations_without_state() == allowed


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("Assign", "Apply", "ScatterAdd", "ScatterNdAdd", "ScatterUpdate"), id="assignments"),
        pytest.param(("Queue", "Barrier", "Stage", "Reader", "Iterator"), id="queues and readers"),
        pytest.param(("MutableHash", "MutableDenseHash", "Insert", "InitializeTable", "Import"), id="tables"),
        pytest.param(("PyFunc", "Collective", "TPU", "Xla", "Summary", "Timestamp"), id="others"),
    ],
)
def test_families_with_state(words: tuple[str, ...]) -> None:
    """What changes something, or what others change, is none of them allowed."""
    allowed = {name for group in operations.WITHOUT_STATE for name in group.operations}
    assert {name for name in allowed if any(word in name for word in words)} == set()


def test_random_numbers() -> None:
    """They are state, save for those that follow from a seed that is given."""
    known = operations.known_operations()
    random = RANDOM | {name for name in known if name.startswith(("Random", "Stateful"))}
    allowed = random & operations.operations_without_state()
    assert allowed - {"StatefulPartitionedCall"} == {"RandomIndexShuffle", "RandomGammaGrad"}
    assert {"StatelessRandomUniformV2", "StatelessRandomNormal"} <= operations.operations_without_state()


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("MatMul", True),
        ("ReadVariableOp", True),
        ("ResourceGather", True),
        ("LookupTableFindV2", True),
        ("Assert", True),
        ("StatefulPartitionedCall", True),
        ("AssignVariableOp", False),
        ("Assign", False),
        ("RandomUniform", False),
        ("InplaceUpdate", False),
        ("NoSuchOperation", False),
    ],
)
def test_operations_without_state(operation: str, expected: bool) -> None:
    """Reading is harmless, writing is not, and what is not known may be anything."""
    assert (operation in operations.operations_without_state()) is expected
