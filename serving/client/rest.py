"""A client of the REST API of one server or several: JSON in, JSON out, each request at the next server's turn.

What is lost before its answer has begun is sent again, to another server if there is one. It knows no arrays but
numpy's ``tolist``; ``Client`` does, and speaks gRPC.
"""

import http.client
import json
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

import grpc

from serving.client.addresses import split
from serving.client.checks import checked_int, checked_list
from serving.client.connection import TIMEOUT_SECONDS, checked_timeout
from serving.client.errors import ServingError
from serving.client.retrying import LONGEST_PAUSE_SECONDS, RETRIES

_CODES: Mapping[int, grpc.StatusCode] = MappingProxyType(
    {
        400: grpc.StatusCode.INVALID_ARGUMENT,
        401: grpc.StatusCode.UNAUTHENTICATED,
        403: grpc.StatusCode.PERMISSION_DENIED,
        404: grpc.StatusCode.NOT_FOUND,
        409: grpc.StatusCode.ALREADY_EXISTS,
        412: grpc.StatusCode.FAILED_PRECONDITION,
        429: grpc.StatusCode.RESOURCE_EXHAUSTED,
        501: grpc.StatusCode.UNIMPLEMENTED,
        503: grpc.StatusCode.UNAVAILABLE,
        504: grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
_BUSY = (429, 503)

_CONNECT_SECONDS = 5.0
"""For a machine that is gone without a word; then another one has its turn."""

_ASIDE_SECONDS = 1.0
"""For which a server that was not reached has no turn, as long as others are there."""

_PAUSE_SECONDS, _LONGEST_BACKOFF_SECONDS = 0.05, 1.0


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after: str


class _LostError(Exception):
    """The server was not reached, or the connection ended before the answer began; ``kept`` was one used before."""

    def __init__(self, error: Exception, *, kept: bool) -> None:
        super().__init__(str(error) or type(error).__name__)
        self.kept = kept


class RestClient:
    """``with RestClient(["a:8501", "b:8501"]) as client: client.predict("m", {"instances": [1.0]})``.

    ``headers`` go with every request, such as ``{"authorization": "Bearer ..."}``; with ``context`` it is HTTPS. Every
    method raises ServingError if there is no answer, or one that is an error; ``timeout_seconds`` is for all attempts
    together, of which there are ``retries`` beside the first. One client serves any number of threads.
    """

    def __init__(
        self,
        address: str | Sequence[str],
        *,
        context: ssl.SSLContext | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        timeout_seconds: float | None = TIMEOUT_SECONDS,
        retries: int = RETRIES,
    ) -> None:
        given = [address] if isinstance(address, str) else checked_list("addresses", address, str)
        self._servers = [split(each) for each in dict.fromkeys(given)]
        if not self._servers:
            raise ValueError("expected addresses, each as in localhost:8501, got none")
        self._context = context
        self._headers = {"content-type": "application/json", **headers}
        self._timeout_seconds = checked_timeout(timeout_seconds)
        self._retries = checked_int("number of retries", retries, range(2**31))
        self._lock = threading.Lock()
        self._turn = 0
        self._aside: dict[tuple[str, int], float] = {}
        self._idle: dict[tuple[str, int], deque[http.client.HTTPConnection]] = {each: deque() for each in self._servers}
        self._closed = False

    def predict(
        self,
        model: str,
        body: Mapping[str, Any],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Any:
        """What ``POST /v1/models/{model}:predict`` answers to a body with ``instances`` or ``inputs``."""
        if version is not None and label is not None:
            raise ValueError(f"expected a version or a label, got version={version!r} and label={label!r}")
        chosen = f"/versions/{version}" if version is not None else f"/labels/{label}" if label is not None else ""
        return self.post(f"/v1/models/{model}{chosen}:predict", body, timeout_seconds=timeout_seconds)

    def post(self, path: str, body: Mapping[str, Any], *, timeout_seconds: float | None = None) -> Any:
        """The answer to a body, which changes nothing at the server: it may get there twice."""
        data = json.dumps(body, default=_plain).encode()
        return self._ask("POST", path, data, timeout_seconds)

    def get(self, path: str, *, timeout_seconds: float | None = None) -> Any:
        """What is at a path, such as ``/v1/models/m`` or ``/v1/models/m/metadata``."""
        return self._ask("GET", path, None, timeout_seconds)

    def close(self) -> None:
        """End the connections that nobody uses; those in use end with their requests."""
        with self._lock:
            self._closed = True
            idle = [each for kept in self._idle.values() for each in kept]
            for kept in self._idle.values():
                kept.clear()
        for each in idle:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, path: str, data: bytes | None, timeout_seconds: float | None) -> Any:
        given = self._timeout_seconds if timeout_seconds is None else checked_timeout(timeout_seconds)
        until = None if given is None else time.monotonic() + given
        asked = f"{method} {path}"

        def left() -> float | None:
            return None if until is None else until - time.monotonic()

        attempt = 0
        while True:
            pause = min(_PAUSE_SECONDS * 2**attempt, _LONGEST_BACKOFF_SECONDS)
            try:
                answer = self._attempt(method, path, data, left)
            except TimeoutError:
                raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", asked) from None
            except _LostError as lost:
                failed = ServingError(grpc.StatusCode.UNAVAILABLE, str(lost), asked)
                if lost.kept:  # which any server may end while nobody uses it
                    continue
                if len(self._servers) > attempt + 1:
                    pause = 0.0
            else:
                if answer.status < 400:
                    return _json(answer.body, asked)
                failed = _refused(answer, asked)
                if failed.retry_seconds is None or failed.retry_seconds > LONGEST_PAUSE_SECONDS:
                    raise failed
                pause = failed.retry_seconds
            attempt += 1
            pause *= random.uniform(1, 1.2)  # noqa: S311 - no secret
            rest = left()
            if attempt > self._retries or (rest is not None and pause >= rest):
                raise failed
            time.sleep(pause)

    def _attempt(self, method: str, path: str, data: bytes | None, left: Callable[[], float | None]) -> _Answer:
        """One exchange with the next server. Raises TimeoutError, _LostError, and ServingError for half an answer."""
        server = self._next()
        connection, kept = self._connection(server)
        try:
            if not kept:
                self._connect(connection, server, left())
            rest = left()
            if rest is not None and rest <= 0:
                raise TimeoutError
            if connection.sock is not None:
                connection.sock.settimeout(rest)
            connection.request(method, path, data, self._headers)
            response = connection.getresponse()
        except TimeoutError:
            connection.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _LostError(error, kept=kept) from None
        except BaseException:
            connection.close()
            raise
        try:
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise
            message = f"the answer broke off: {str(error) or type(error).__name__}"
            raise ServingError(grpc.StatusCode.UNAVAILABLE, message, f"{method} {path}") from None
        self._give_back(server, connection, closes=response.will_close)
        return _Answer(response.status, body, response.headers.get("retry-after", ""))

    def _connect(self, connection: http.client.HTTPConnection, server: tuple[str, int], rest: float | None) -> None:
        """Raises _LostError, and leaves the server aside for a moment, if it is not reached."""
        connection.timeout = _CONNECT_SECONDS if rest is None else min(max(rest, 0.001), _CONNECT_SECONDS)
        try:
            connection.connect()
        except OSError as error:
            with self._lock:
                self._aside[server] = time.monotonic() + _ASIDE_SECONDS
            connection.close()
            raise _LostError(error, kept=False) from None

    def _next(self) -> tuple[str, int]:
        """Whose turn it is."""
        with self._lock:
            if self._closed:
                raise ValueError("the client was closed; make another one")
            now = time.monotonic()
            for _ in self._servers:
                self._turn += 1
                server = self._servers[self._turn % len(self._servers)]
                if self._aside.get(server, 0.0) <= now:
                    return server
            return self._servers[self._turn % len(self._servers)]

    def _connection(self, server: tuple[str, int]) -> tuple[http.client.HTTPConnection, bool]:
        """A connection to a server, and whether it was used before."""
        with self._lock:
            if self._idle[server]:
                return self._idle[server].pop(), True
        if self._context is None:
            return http.client.HTTPConnection(*server), False
        return http.client.HTTPSConnection(*server, context=self._context), False

    def _give_back(self, server: tuple[str, int], connection: http.client.HTTPConnection, *, closes: bool) -> None:
        with self._lock:
            if not closes and not self._closed:
                self._idle[server].append(connection)
                return
        connection.close()


def _plain(value: Any) -> Any:
    """What JSON has for numpy's arrays and numbers. TypeError for what it has nothing for."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")


def _json(body: bytes, asked: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise ServingError(grpc.StatusCode.INTERNAL, "the answer is no JSON", asked) from None


def _refused(answer: _Answer, asked: str) -> ServingError:
    message = answer.body[:1024].decode(errors="replace")
    with suppress(ValueError, KeyError, TypeError):
        message = str(json.loads(answer.body)["error"])
    made = ServingError(_CODES.get(answer.status, grpc.StatusCode.UNKNOWN), message, asked)
    if answer.status in _BUSY and answer.retry_after.isascii() and answer.retry_after.isdigit():
        made.retry_seconds = float(answer.retry_after[:9])
    return made
