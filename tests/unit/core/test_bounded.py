"""What is kept of what clients ask for, and that it ends somewhere."""

from serving.core.bounded import Bounded


def test_keeps_what_there_is_room_for() -> None:
    """The first keys stay, and what comes beyond them is given back all the same."""
    kept: Bounded[str, int] = Bounded(most=2)
    assert [kept.keep(key, value) for value, key in enumerate("abc")] == [0, 1, 2]
    assert kept == {"a": 0, "b": 1}
