"""Which handler answers which method: the table of protocols, the same for every transport."""

from collections.abc import Mapping, Sequence

from serving.inference.accounts import Accounts
from serving.inference.service import Service
from serving.rpc.api import open_inference, tfs
from serving.rpc.api.infer_stream import InferStreams
from serving.rpc.handler import Handler, Streaming


def routes(service: Service, *, as_content: bool) -> Mapping[str, Handler]:
    """Handlers by full method path. What is not here, nor a stream, is UNIMPLEMENTED."""
    return {**tfs.handlers(service, as_content=as_content), **open_inference.handlers(service)}


def streams(service: Service, accounts: Accounts | None) -> Sequence[Streaming]:
    """The protocols' streams; ``accounts`` records each of their requests."""
    return [InferStreams(open_inference.named(service.inferring(None, open_inference.infer_form())), accounts)]
