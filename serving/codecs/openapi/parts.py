"""What documents are made of: a version and what it has answered, and what a protocol adds to a document."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from serving.core.servable import ServableId
from serving.core.signature import Signature
from serving.core.tensor import Tensor

Json = dict[str, Any]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


class Answered(NamedTuple):
    """Inputs that a version has answered, by alias; ``in_rows`` if also where each row is an instance."""

    inputs: Mapping[str, Tensor]
    in_rows: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Requests that a version has answered, by signature: those for Predict, and JSON bodies for the others."""

    predict: Mapping[str, Answered] = field(default_factory=dict)
    infer: Mapping[str, Json] = field(default_factory=dict)
    classify: Mapping[str, Json] = field(default_factory=dict)
    regress: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version as it is asked for. ``signatures`` are as Classify and Regress call them, ``for_predict`` as Predict.

    ``path`` is ``{name}``, ``{name}/versions/{n}`` or ``{name}/labels/{label}``, percent-encoded.
    """

    path: str
    by_label: bool
    id: ServableId
    signatures: Mapping[str, Signature]
    for_predict: Mapping[str, Signature]
    examples: Examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server as a whole: its ``models``, of those that who asks may use."""

    models: Sequence[str]


class Part(NamedTuple):
    """What a protocol adds to a document: paths, component schemas by name, and tags with their descriptions."""

    paths: Json
    schemas: Json
    tags: Mapping[str, str]


class Names:
    """Names for components and classes of clients: letters and digits, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, text: str) -> str:
        """``serving_default`` as ``ServingDefault``; with a number if that is taken."""
        words = [word[0].upper() + word[1:] for word in _NOT_IN_NAMES.split(text) if word]
        name = wanted = "".join(words) or "Signature"
        number = 1
        while name in self._taken:
            number += 1
            name = f"{wanted}{number}"
        self._taken.add(name)
        return name


def operation(operation_id: str, tag: str, summary: str, responses: Json, **more: Any) -> Json:
    """An operation object."""
    return {"operationId": operation_id, "tags": [tag], "summary": summary, **more, "responses": responses}


def answered(description: str, schema: Json, content_type: str = "application/json") -> Json:
    """A response object with a body."""
    return {"description": description, "content": {content_type: {"schema": schema}}}


def errors(statuses: Iterable[int]) -> Json:
    """Responses by status, all of the one shape that errors have."""
    return {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in statuses}
