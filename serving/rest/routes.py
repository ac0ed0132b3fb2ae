"""Which API has which paths: the table of protocols, first come first served."""

from collections.abc import Sequence

from serving.inference.service import Service
from serving.rest.api.tfs import TfsApi
from serving.rest.endpoint import RestApi


def apis(service: Service, *, as_content: bool, exact_digits: bool) -> Sequence[RestApi]:
    """Every API; ``as_content`` is --enable_serialization_as_tensor_content, ``exact_digits`` --rest_exact_digits."""
    return (TfsApi(service, as_content=as_content, exact_digits=exact_digits),)
