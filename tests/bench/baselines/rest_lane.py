"""The bare REST loop: httptools, orjson and the C API on one event loop, answering every POST as a predict call.

usage: python -m tests.bench.baselines.rest_lane VERSION_DIRECTORY PORT
"""

import asyncio
import sys
from pathlib import Path
from typing import cast

import httptools
import numpy as np
import orjson
import uvloop

from tests.bench.baselines.bare_engine import BareModel


class Connection(asyncio.Protocol):
    """One client; requests are answered as soon as their last byte is there."""

    def __init__(self, model: BareModel) -> None:
        self._model = model
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        y = self._model(np.array(orjson.loads(self._body)["instances"], np.float32))
        answer = orjson.dumps({"predictions": y}, option=orjson.OPT_SERIALIZE_NUMPY)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
        self._transport.write(head + answer)


async def serve(model: BareModel, port: int) -> None:
    """Answer on 127.0.0.1 until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(model), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(BareModel(Path(sys.argv[1])), int(sys.argv[2])))
