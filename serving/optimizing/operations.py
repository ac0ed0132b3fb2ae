"""Which operations keep state from call to call, as a table; which of them a graph has is not looked for here.

TensorFlow marks an operation as stateful for many reasons, of which state is one. The table has those that are marked
and keep none, and a few that are not marked and do. What it does not name is as TensorFlow says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from serving.protos import message
from serving.servables import libtensorflow


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationGroup:
    """Operations that are alike in what they keep, and why they count as they do."""

    what: str
    why: str
    operations: frozenset[str]


def _group(what: str, why: str, operations: str) -> OperationGroup:
    return OperationGroup(what=what, why=why, operations=frozenset(operations.split()))


VARIABLES = _group(
    "variables",
    "a variable that no signature assigns to is a constant",
    "VarHandleOp _VarHandlesOp Variable VariableV2",
)
READS = _group(
    "reads of variables",
    "they change nothing",
    """ReadVariableOp _ReadVariablesOp ResourceGather ResourceGatherNd VariableShape VarIsInitializedOp
    IsVariableInitialized DisableCopyOnRead""",
)
REFERENCES = _group(
    "references passed on",
    "what is assigned to counts, not the way there",
    "RefEnter RefExit RefIdentity RefMerge RefNextIteration RefSelect RefSwitch",
)
TABLES = _group(
    "tables that only their initialiser fills",
    "it runs once, when the model is loaded",
    "HashTable HashTableV2",
)
LOOKUPS = _group(
    "lookups in tables",
    "they change nothing; tables that calls can change are state themselves",
    """LookupTableFind LookupTableFindV2 LookupTableSize LookupTableSizeV2 LookupTableExport
    LookupTableExportV2""",
)
ASSERTIONS = _group(
    "assertions",
    "marked so that they are kept, and they are",
    "Assert CheckNumerics CheckNumericsV2",
)
PRINTS = _group("prints", "what they write is never read again", "Print PrintV2")
CALLS = _group(
    "calls and control flow",
    "the functions that they call are looked into",
    "StatefulPartitionedCall If _If While _While Case",
)
ARRAYS = _group(
    "arrays and stacks",
    "they live within one call",
    """TensorArray TensorArrayV2 TensorArrayV3 TensorArrayGrad TensorArrayGradV2 TensorArrayGradV3
    TensorArrayGradWithShape TensorArrayWrite TensorArrayWriteV3 TensorArrayRead TensorArrayReadV3 TensorArrayGather
    TensorArrayGatherV3 TensorArrayScatter TensorArrayScatterV3 TensorArrayConcat TensorArrayConcatV3 TensorArraySplit
    TensorArraySplitV3 TensorArraySize TensorArraySizeV3 TensorArrayPack TensorArrayUnpack TensorArrayClose
    TensorArrayCloseV3 Stack StackV2 StackPush StackPushV2 StackPop StackPopV2 StackClose StackCloseV2""",
)
OF_THE_DEVICE = _group(
    "what follows from the device",
    "it is the same at every call",
    "DeviceIndex StatelessRandomGetAlg GuaranteeConst",
)

WITHOUT_STATE = (
    VARIABLES,
    READS,
    REFERENCES,
    TABLES,
    LOOKUPS,
    ASSERTIONS,
    PRINTS,
    CALLS,
    ARRAYS,
    OF_THE_DEVICE,
)
"""Marked as stateful, or taking a reference, yet they keep nothing from call to call."""

KEPT_IN_FROZEN = frozenset(
    name for group in (ASSERTIONS, PRINTS, CALLS, ARRAYS, OF_THE_DEVICE, LOOKUPS) for name in group.operations
) | {"HashTableV2"}
"""What may be left in a graph whose variables have become constants, though TensorFlow marks it as stateful."""

WITH_STATE = (
    _group(
        "changes in place",
        "they write into a tensor that may be a variable's own memory",
        "InplaceUpdate InplaceAdd InplaceSub",
    ),
    _group(
        "shuffled data sets",
        "their order is random",
        "ShuffleDataset ShuffleAndRepeatDataset",
    ),
)
"""Not marked as stateful, yet they are."""


@cache
def operations_without_state() -> frozenset[str]:
    """The types of operations that keep none, of those that TensorFlow knows once custom operations are loaded.

    The list in a SavedModel is not enough: it leaves out what only nested functions use.
    """
    unmarked = {op.name for op in known_operations().values() if not is_marked(op)}
    return frozenset((unmarked - _names(WITH_STATE)) | _names(WITHOUT_STATE))


def known_operations() -> Mapping[str, Any]:
    """TensorFlow's OpDef messages by the type of operation; those of custom operations once these are loaded."""
    library = libtensorflow.load()
    known = message("tensorflow.OpList").FromString(library.take_buffer(library.GetAllOpList()))
    return {op.name: op for op in known.op}


def is_marked(op: Any) -> bool:
    """Whether an OpDef says that it has state. TF1's assignments are not marked, but they take a reference."""
    return op.is_stateful or any(argument.is_ref for argument in op.input_arg)


def table_rows() -> Iterator[str]:
    """The rows of the table in docs/performance.md."""
    for word, groups in (("no", WITHOUT_STATE), ("yes", WITH_STATE)):
        for group in groups:
            names = ", ".join(f"`{name}`" for name in sorted(group.operations))
            yield f"| {group.what} | {word} | {group.why} | {names} |"


def _names(groups: tuple[OperationGroup, ...]) -> frozenset[str]:
    return frozenset().union(*(group.operations for group in groups))
