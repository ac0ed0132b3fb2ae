"""Which API has which paths: the table of protocols, first come first served."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from serving.inference.service import Service
from serving.rest.api.open_inference import OpenInferenceApi
from serving.rest.api.openapi import OpenApi
from serving.rest.api.repository import RepositoryApi
from serving.rest.api.tfs import TfsApi
from serving.rest.api.tfs_hints import Served
from serving.rest.endpoint import RestApi

if TYPE_CHECKING:
    from serving.rest.api.openapi_documents import Documents


def apis(
    service: Service,
    *,
    as_content: bool,
    exact_digits: bool,
    hosted: Sequence[RestApi] = (),
    documents: "Callable[[], Documents] | None" = None,
    served: Served | None = None,
) -> Sequence[RestApi]:
    """Every API; ``as_content`` is --enable_serialization_as_tensor_content, ``exact_digits`` --rest_exact_digits.

    ``hosted`` come first: a platform may choose paths below those of TensorFlow Serving. Without ``documents``, which
    gives them, there are no OpenAPI documents. ``served`` gives the models that errors may name to anybody. What is
    here is described in ``documents.py``.
    """
    found: list[RestApi] = [
        *hosted,
        TfsApi(service, as_content=as_content, exact_digits=exact_digits, served=served),
        RepositoryApi(service),
        OpenInferenceApi(service),
    ]
    if documents is not None:
        found.append(OpenApi(service, documents))
    return found
