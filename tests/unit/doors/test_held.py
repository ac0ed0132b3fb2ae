"""What waits on a connection: the bytes that came, in their order, whatever the pieces were."""

from hypothesis import given
from hypothesis import strategies as st

from serving.rest.connection.held import Held

PIECES = st.lists(st.sampled_from((b"", b"a", b"bc", b"d" * 4095, b"e" * 4096, b"f" * 10_000)))


@given(before=PIECES, after=PIECES)
def test_all_of_it_is_taken_once(before: list[bytes], after: list[bytes]) -> None:
    """What was added since is there, and its size is known; then nothing is."""
    held = Held()
    for pieces in (before, after):
        for piece in pieces:
            held.add(piece)
        assert held.size == sum(map(len, pieces))
        assert held.take() == b"".join(pieces)
        assert (held.size, held.take()) == (0, b"")


def test_the_beginning_of_the_first_piece_is_told_and_left_out() -> None:
    """A head that came whole needs no copy of what is behind it."""
    held = Held()
    assert not held.starts_with(b"head")
    held.add(b"head" + b"x" * 5000)
    held.add(b"y" * 5000)
    assert (held.starts_with(b"head"), held.starts_with(b"heap")) == (True, False)
    assert held.take(skip=4) == b"x" * 5000 + b"y" * 5000
    assert held.size == 0


def test_cleared() -> None:
    """What is dropped is not taken."""
    held = Held()
    held.add(b"x" * 5000)
    held.clear()
    assert (held.size, held.take()) == (0, b"")
