"""The body of a request on aiohttp's road, read to its end within the limit; what it says is an API's business."""

import asyncio
import contextlib

from aiohttp import web
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from serving.codecs.protobuf.wire import STEP, joined


async def read(request: web.BaseRequest) -> bytes:
    """All of it, once the client was told to send it if it waits for that. Raises HTTPRequestEntityTooLarge."""
    if "Expect" in request.headers and not request.content.is_eof():
        with contextlib.suppress(ConnectionError):  # of a client that has gone the wait is cancelled
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await _body(request)


async def _body(request: web.BaseRequest) -> bytes:
    """The body as it came. HTTPRequestEntityTooLarge if it is larger than allowed, though it did not say so before."""
    content = request.content
    if not content.is_eof():
        return await _joined(request)
    body = content.read_nowait()  # all of it came with the head
    if len(body) > request.client_max_size:
        raise HTTPRequestEntityTooLarge(request.client_max_size)
    return body


async def _joined(request: web.BaseRequest) -> bytes:
    """The same for a body that comes in pieces, copied once; aiohttp's own ``read`` copies it twice more."""
    pieces, size = [], 0
    while piece := await request.content.readany():
        size += len(piece)
        if size > request.client_max_size:
            raise HTTPRequestEntityTooLarge(request.client_max_size)
        pieces.append(piece)
    if size <= STEP:
        return b"".join(pieces)
    return await asyncio.get_running_loop().run_in_executor(None, joined, pieces)
