"""The table of operations that keep state, as the page shows it."""

from serving.optimizing import operations
from tests.support.pages import DOCS

HEADER = ["| operations | state | why | names |", "|---|---|---|---|"]


def test_the_page_has_the_table() -> None:
    """docs/performance.md shows what the server decides by, row by row."""
    table = "\n".join([*HEADER, *operations.table_rows()])
    assert f"\n{table}\n\n" in (DOCS / "performance.md").read_text()


def test_each_operation_is_in_one_group() -> None:
    """An operation counts for one reason."""
    groups = (*operations.WITHOUT_STATE, *operations.WITH_STATE)
    names = [name for group in groups for name in group.operations]
    assert len(names) == len(set(names))
