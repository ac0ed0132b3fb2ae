"""``ModelStreamInfer``: requests in a stream, each answered in its turn; one that fails is an answer as well.

A stream has a thread while it is open, so there are so many of them at most.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import grpc

from serving.codecs.open_inference import response
from serving.codecs.open_inference.message import id_field
from serving.errors import Code, ServingError
from serving.inference.accounts import Accounts, named
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.long_call import waited_for
from serving.inference.requests import elsewhere
from serving.rpc import errors
from serving.rpc.api.open_inference import SERVICE
from serving.rpc.handler import Send, request_context

STREAM_INFER = f"/{SERVICE}/ModelStreamInfer"
MOST_STREAMS = 256

_log = logging.getLogger("serving")

Infer = Callable[[bytes, RequestContext], Reply]


class InferStreams:
    """Answers each request as ``infer`` does. Thread-safe."""

    def __init__(self, infer: Infer, accounts: Accounts | None, most: int = MOST_STREAMS) -> None:
        self._infer = infer
        self._accounts = accounts
        self._most = most
        self._lock = threading.Lock()
        self._draining = False
        self._open: set[_Stream] = set()

    @property
    def streams(self) -> Mapping[str, grpc.RpcMethodHandler]:
        """The one method, for a grpcio server."""
        return {STREAM_INFER: grpc.stream_stream_rpc_method_handler(_Begin(self))}

    @property
    def busy(self) -> bool:
        """Whether any request of a stream is still to be answered."""
        with self._lock:
            return any(stream.busy for stream in self._open)

    def begin(self, payloads: Iterable[bytes], context: Any, send: Send) -> None:
        """Answer a stream, on a thread of its own."""
        stream = _Stream(context, send)
        with self._lock:
            refusal = self._refusal()
            if refusal is None:
                self._open.add(stream)
        if refusal is not None:
            stream.end(refusal)
            return
        threading.Thread(target=self._run, args=(stream, payloads), name="infer-stream", daemon=True).start()

    def drain(self) -> None:
        """End the streams, each with the answer that it is at."""
        with self._lock:
            self._draining = True
            idle = [stream for stream in self._open if not stream.busy]
        for stream in idle:
            stream.end(_draining())

    def answer(self, payload: bytes, context: Any) -> bytes:
        """The answer to one request. ServingError, UNAUTHENTICATED, ends its stream: all requests have the same key."""
        asked = request_context(context)
        if self._accounts is not None:
            self._accounts.begin(asked, STREAM_INFER, len(payload))
        failed: ServingError | None = None
        try:
            body = response.streamed(self._answered(payload, asked, context))
        except ServingError as error:
            failed, body = error, response.streamed_error(errors.status(error).details, id_field(payload))
        if self._accounts is not None:
            self._accounts.end(asked, 0 if failed is None else int(failed.code), len(body), failed)
        if failed is not None and failed.code is Code.UNAUTHENTICATED:
            raise failed
        return body

    def _answered(self, payload: bytes, asked: RequestContext, context: Any) -> bytes:
        try:
            body = elsewhere(self._infer(payload, asked))
            return waited_for(body, lambda: not context.is_active()) if isinstance(body, Future) else body
        except ServingError:
            raise
        except Exception:  # noqa: BLE001 - no client gets an exception's text
            _log.exception("Answering %s failed", STREAM_INFER, extra=named(asked))
            raise ServingError(Code.INTERNAL, errors.INTERNAL.details) from None

    def _run(self, stream: "_Stream", payloads: Iterable[bytes]) -> None:
        end: ServingError | None = None
        try:
            for payload in payloads:
                with self._lock:
                    stream.busy = not self._draining
                if not stream.busy:
                    break
                stream.send(self.answer(payload, stream.context))
                with self._lock:
                    stream.busy = False
                    if self._draining:
                        break
        except ServingError as error:
            end = error
        except Exception as error:  # noqa: BLE001 - how grpcio says that the client has gone
            if stream.context.is_active():
                _log.error("Reading %s failed", STREAM_INFER, exc_info=error)
                end = ServingError(Code.INTERNAL, errors.INTERNAL.details)
        stream.end(end or (_draining() if self._draining else None))
        with self._lock:
            self._open.discard(stream)

    def _refusal(self) -> ServingError | None:
        if self._draining:
            return _draining()
        if len(self._open) < self._most:
            return None
        return ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"{self._most} streams of requests are open; expected fewer at a time: close some, or send single requests",
        )


class _Stream:
    """One stream: who asks, and what its answers go through. Ended once."""

    def __init__(self, context: Any, send: Send) -> None:
        self.context = context
        self.send = send
        self.busy = False
        self._lock = threading.Lock()
        self._ended = False

    def end(self, error: ServingError | None) -> None:
        """Say that there are no more answers, and why."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        if error is not None:
            failed = errors.status(error)
            self.context.set_code(grpc.StatusCode[error.code.name])
            self.context.set_details(failed.details)
        self.send(None)


class _Begin:
    """``begin`` as a grpcio behaviour that gives its thread back."""

    experimental_non_blocking = True

    def __init__(self, streams: InferStreams) -> None:
        self._streams = streams

    def __call__(self, payloads: Iterable[bytes], context: Any, send: Send) -> None:
        self._streams.begin(payloads, context, send)


def _draining() -> ServingError:
    return ServingError(Code.UNAVAILABLE, "The server is draining")
