"""What OpenAPI documents are made of: what each API says of itself, loaded by the first request for one."""

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from serving.rest.api.openapi_documents import Documents
    from serving.rest.api.openapi_examples import MadeUp


class Described(NamedTuple):
    """What documents say of the server; ``made_up`` makes up inputs for the signatures of a version.

    ``metrics`` says that there is a page of them, ``keys`` that requests need some.
    """

    made_up: "MadeUp"
    server_version: str
    metrics: bool
    keys: bool


def loading(described: Described, *, as_content: bool, exact_digits: bool) -> "Callable[[], Documents]":
    """What gives the documents, made once; the flags are those of ``routes.apis``, for requests that are tried."""
    loaded: list[Documents] = []
    turn = Lock()

    def load() -> "Documents":
        from serving.codecs.openapi import open_inference, operating, tfs
        from serving.codecs.openapi.document import Describing, Terms
        from serving.rest.api.openapi_documents import Documents
        from serving.rest.api.openapi_examples import Trying
        from serving.rest.api.tfs_predict import Writers, json_form

        return Documents(
            (
                Describing(tfs.of_server, tfs.of_version),
                Describing(open_inference.of_server, open_inference.of_version),
                Describing(partial(operating.of_server, metrics=described.metrics)),
            ),
            Trying(described.made_up, json_form(Writers(as_content=as_content, exact_digits=exact_digits))),
            Terms(described.keys, described.server_version),
        )

    def load_once() -> "Documents":
        with turn:
            if not loaded:
                loaded.append(load())
            return loaded[0]

    return load_once
