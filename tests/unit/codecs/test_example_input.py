"""Input messages, to the serialised Examples that a graph is fed with."""

from typing import Any

import pytest

from serving.codecs.protobuf import example_input
from serving.errors import Code, ServingError
from serving.protos import Example, message


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


def input_of(**kind: object) -> object:
    """An Input message, of which a request has one."""
    return message("tensorflow.serving.Input")(**kind)


def example(value: float) -> Any:
    """An Example with the feature ``x``."""
    made = Example()
    made.features.feature["x"].float_list.value.append(value)
    return made


def test_examples_are_serialised_one_by_one() -> None:
    """A list of Examples becomes as many serialised ones."""
    one, two = example(1.0), example(2.0)
    given = input_of(example_list={"examples": [one, two]})
    assert example_input.decode(given) == [one.SerializeToString(), two.SerializeToString()]


def test_context_of_a_request_is_merged_into_each_example() -> None:
    """What a graph parses is the context and then the example."""
    context, one = example(1.0), example(2.0)
    given = input_of(example_list_with_context={"examples": [one], "context": context})
    assert example_input.decode(given) == [context.SerializeToString() + one.SerializeToString()]


def test_input_of_no_kind_has_no_examples() -> None:
    """An Input that is not filled in is an empty one."""
    assert example_input.decode(input_of()) == []
