"""What a REST API is to the door: which paths are its own, and what each of them is answered by."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.rest.answer import Answer


class Endpoint(NamedTuple):
    """What answers a request: ``call`` takes its body, as it came, and who sent it; it raises ServingError.

    ``content_type`` is that of the answer; without ``takes_body`` the body is not read.
    """

    model: str
    call: Callable[[bytes, RequestContext], Reply]
    content_type: bytes
    takes_body: bool = True


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
