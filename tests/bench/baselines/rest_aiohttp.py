"""The bare aiohttp loop: aiohttp's low-level server, orjson and the C API, answering everything as a predict call.

usage: python -m tests.bench.baselines.rest_aiohttp VERSION_DIRECTORY PORT
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
import orjson
import uvloop
from aiohttp import web

from tests.bench.baselines.bare_engine import BareModel

_MAX_BODY_BYTES = 2**26


async def serve(model: BareModel, port: int) -> None:
    """Answer on 127.0.0.1 until the process is ended."""

    async def answer(request: web.BaseRequest) -> web.Response:
        y = model(np.array(orjson.loads(await request.read())["instances"], np.float32))
        body = orjson.dumps({"predictions": y}, option=orjson.OPT_SERIALIZE_NUMPY)
        return web.Response(body=body, content_type="application/json")

    handlers = web.Server(answer, access_log=None, client_max_size=_MAX_BODY_BYTES)
    server = await asyncio.get_running_loop().create_server(handlers, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(BareModel(Path(sys.argv[1])), int(sys.argv[2])))
