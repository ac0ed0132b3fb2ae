"""Input messages -> the serialised Examples that a graph parses (docs/compatibility.md, "Classify and regress")."""

from typing import Any


def decode(message: Any) -> list[bytes]:
    """One serialised Example each; a context is merged by standing before it, so that the example's features win."""
    match message.WhichOneof("kind"):
        case "example_list":
            return [example.SerializeToString() for example in message.example_list.examples]
        case "example_list_with_context":
            given = message.example_list_with_context
            context = given.context.SerializeToString()
            return [context + example.SerializeToString() for example in given.examples]
        case _:
            return []
