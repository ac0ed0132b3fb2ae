"""Input messages -> the serialised Examples that a graph parses (docs/grpc.md, "Classify and regress")."""

from typing import Any

from serving.errors import Code, ServingError

_LARGEST_MERGED = 2**27
"""Bytes that a context may take once it stands before every example: a small message must not take all memory."""


def decode(message: Any) -> list[bytes]:
    """One serialised Example each; a context is merged by standing before it, so that the example's features win."""
    match message.WhichOneof("kind"):
        case "example_list":
            return [example.SerializeToString() for example in message.example_list.examples]
        case "example_list_with_context":
            given = message.example_list_with_context
            examples = [example.SerializeToString() for example in given.examples]
            return with_context(given.context.SerializeToString(), examples)
        case _:
            return []


def with_context(context: bytes, examples: list[bytes]) -> list[bytes]:
    """Every serialised example behind the context. RESOURCE_EXHAUSTED if that multiplies the context beyond measure."""
    if len(context) * len(examples) > _LARGEST_MERGED:
        raise ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"the context of {len(context)} bytes is merged into {len(examples)} examples; expected at most "
            f"{_LARGEST_MERGED} bytes of it in total",
        )
    return [context + example for example in examples]
