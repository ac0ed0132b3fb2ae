"""Whether a graph has loops: what loops may, for some input, never end.

No event thread may run such a model, however short its runs have been: nothing could end the run, and the thread would
serve nobody any more.
"""

from pathlib import Path

from serving.servables.graph_scan import has_operation

_OPERATIONS = ("While", "StatelessWhile", "For", "NextIteration", "RefNextIteration", "ReduceDataset")


def may_loop(version: Path) -> bool:
    """Whether the model in this directory has loops."""
    return has_operation(version, _OPERATIONS)
