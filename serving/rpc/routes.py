"""Which handler answers which method: the table of protocols, the same for every transport."""

from collections.abc import Mapping

from serving.inference.service import Service
from serving.rpc.api import tfs
from serving.rpc.handler import Handler


def routes(service: Service, *, as_content: bool) -> Mapping[str, Handler]:
    """Handlers by full method path. What is not here is UNIMPLEMENTED."""
    return {**tfs.handlers(service, as_content=as_content)}
