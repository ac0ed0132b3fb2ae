"""What a REST API is to the door: which paths are its own, and what each of them is answered by."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from serving.errors import ServingError
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.rest.answer import Answer


class Endpoint(NamedTuple):
    """What answers a request: ``call`` takes its body, as it came, and who sent it; it raises ServingError.

    ``content_type`` is that of the answer; without ``takes_body`` the body is not read. ``answer`` makes the answer of
    a body that needs more than that: another type, or lines of its own. ``failed`` makes the answer of an error where
    that depends on the request; else the API's ``failure`` does.
    """

    model: str
    call: Callable[[bytes, RequestContext], Reply]
    content_type: bytes
    takes_body: bool = True
    answer: Callable[[bytes], Answer] | None = None
    failed: Callable[[ServingError], Answer] | None = None
    early: bool = False
    """Whether it is answered while the models are still loading, with --rest_api_open_early."""

    def answered(self, body: bytes) -> Answer:
        """The answer with this body."""
        return Answer(200, body, self.content_type) if self.answer is None else self.answer(body)


class RestApi(Protocol):
    """One protocol over HTTP; ``name`` is what policies call it."""

    name: str

    def claims(self, path: str) -> bool:
        """Whether errors of this path have the API's shape, whether it has such a path or not."""
        ...

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """What answers a request for this path, query included. Raises ServingError."""
        ...

    def model_in(self, method: str, path: str) -> str:
        """The model that a path names, also where there is no endpoint; empty without one."""
        ...

    def failure(self, error: Exception) -> Answer | None:
        """The answer to a request that ended with ``error``; None for what is none of the API's errors."""
        ...
