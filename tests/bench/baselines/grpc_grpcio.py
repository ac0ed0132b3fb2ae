"""The bare grpcio loop: its synchronous server with eight threads and one handler.

usage: python -m tests.bench.baselines.grpc_grpcio VERSION_DIRECTORY PORT
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from serving.protos import Message, PredictRequest, PredictResponse
from tests.bench.baselines.bare_engine import BareModel
from tests.bench.baselines.predict_message import PATH, predict

_THREADS = 8


def serve(model: BareModel, port: int) -> None:
    """Answer on 127.0.0.1 until the process is ended."""

    def handle(request: Message, _context: grpc.ServicerContext) -> Message:
        return predict(model, request)

    _, service, method = PATH.split("/")
    handler = grpc.unary_unary_rpc_method_handler(handle, PredictRequest.FromString, PredictResponse.SerializeToString)
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    serve(BareModel(Path(sys.argv[1])), int(sys.argv[2]))
