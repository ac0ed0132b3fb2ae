"""Input messages, to the serialised Examples that a graph is fed with."""

import pytest

from serving.codecs import example_input
from serving.errors import Code, ServingError


def test_examples_stand_behind_their_context() -> None:
    """Merging two serialised messages is putting one behind the other."""
    assert example_input.with_context(b"ab", [b"c", b""]) == [b"abc", b"ab"]


@pytest.mark.parametrize("count", [127, 128], ids=["below", "at the limit"])
def test_context_within_the_limit(count: int) -> None:
    """Up to 128 MiB of repeated context are taken."""
    context = b"x" * 2**20
    assert example_input.with_context(context, [b""] * count) == [context] * count


def test_context_beyond_the_limit() -> None:
    """Beyond it the request is refused before the memory is taken."""
    with pytest.raises(ServingError, match="the context of 1048576 bytes is merged into 129 examples") as raised:
        example_input.with_context(b"x" * 2**20, [b""] * 129)
    assert raised.value.code is Code.RESOURCE_EXHAUSTED
