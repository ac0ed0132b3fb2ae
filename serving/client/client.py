"""The client that waits for its answers."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.client import calls, v2
from serving.client.addresses import target
from serving.client.calls import Call, Choice
from serving.client.connection import TIMEOUT_SECONDS, CallMetadata, Connection, Options, ProtocolName
from serving.client.errors import ServingError
from serving.client.examples import Features
from serving.client.futures import PredictFuture
from serving.client.retrying import RETRIES, Attempts
from serving.client.signatures import as_arrays
from serving.client.values import (
    Classification,
    Inference,
    Metadata,
    ModelConfig,
    ModelState,
    Prediction,
    Task,
    VersionStatus,
)

T = TypeVar("T")


class Client(Connection):
    """A connection to a server: ``with Client("localhost:8500") as client: ...``.

    Every call takes ``version`` or ``label`` (without either the server chooses), and ``timeout_seconds`` (without it
    the client's); where a signature answers, ``signature`` names it. A call raises ServingError if there is no answer,
    ValueError or TypeError, before anything is sent, if it cannot be asked for.

    One client serves any number of threads, over one connection that opens with the first call and opens again when it
    is lost. It does not survive a fork: make it in the process that uses it.
    """

    def __init__(
        self,
        address: str | Sequence[str],
        *,
        credentials: grpc.ChannelCredentials | None = None,
        options: Options = (),
        metadata: CallMetadata = (),
        timeout_seconds: float | None = TIMEOUT_SECONDS,
        protocol: ProtocolName = "tfs",
        check_inputs: bool | None = None,
        retries: int = RETRIES,
        retry_lost: bool = False,
    ) -> None:
        super().__init__(
            address,
            credentials=credentials,
            options=options,
            metadata=metadata,
            timeout_seconds=timeout_seconds,
            protocol=protocol,
            check_inputs=check_inputs,
            retries=retries,
            retry_lost=retry_lost,
        )
        self._channel: Any = None
        self._opening = threading.Lock()

    def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        output_filter: Sequence[str] = (),
        timeout_seconds: float | None = None,
    ) -> Prediction:
        """The outputs for arrays, or what can become one, by the names of the signature's inputs."""
        choice = Choice(model=model, version=version, label=label, signature=signature)
        inputs = self._checked(choice, inputs, timeout_seconds)
        return self._answer(self._wire.predict(choice, inputs, output_filter), timeout_seconds)

    def predict_future(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        output_filter: Sequence[str] = (),
        timeout_seconds: float | None = None,
    ) -> PredictFuture:
        """``predict`` without waiting; the future has its result or its ServingError."""
        choice = Choice(model=model, version=version, label=label, signature=signature)
        inputs = self._checked(choice, inputs, timeout_seconds)
        return self._send(self._wire.predict(choice, inputs, output_filter), timeout_seconds)

    def classify(
        self,
        model: str,
        examples: Iterable[Features | bytes],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        context: Features | bytes | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Classification]:
        """The classes of each example. An example is a mapping of feature names to values, or a serialised one.

        ``context`` has the features that all examples share.
        """
        choice = Choice(model=model, version=version, label=label, signature=signature)
        self._check_protocol("classify")
        return self._answer(calls.classify(choice, examples, context), timeout_seconds)

    def regress(
        self,
        model: str,
        examples: Iterable[Features | bytes],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str = "",
        context: Features | bytes | None = None,
        timeout_seconds: float | None = None,
    ) -> NDArray[np.float32]:
        """A number for each example, float32 [examples]; see ``classify`` for examples."""
        choice = Choice(model=model, version=version, label=label, signature=signature)
        self._check_protocol("regress")
        return self._answer(calls.regress(choice, examples, context), timeout_seconds)

    def multi_inference(
        self,
        model: str,
        examples: Iterable[Features | bytes],
        signatures: Iterable[str] = (),
        *,
        tasks: Sequence[Task] = (),
        version: int | None = None,
        label: str | None = None,
        context: Features | bytes | None = None,
        timeout_seconds: float | None = None,
    ) -> dict[str, Inference]:
        """Several signatures over the same examples, at once: what ``classify`` or ``regress`` gives, by signature.

        Which of the two a signature is for is looked up in the metadata, at the price of another call; ``tasks`` say
        it instead of ``signatures``.
        """
        choice = Choice(model=model, version=version, label=label)
        self._check_protocol("multi_inference")
        signatures = calls.checked_signatures(signatures, tasks)
        if not tasks:
            tasks = calls.tasks_of(self._answer(calls.metadata(choice), timeout_seconds), signatures)
        return self._answer(calls.multi_inference(choice, examples, tasks, context), timeout_seconds)

    def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Metadata:
        """The signatures of a version."""
        choice = Choice(model=model, version=version, label=label)
        return self._learn(choice, self._answer(self._wire.metadata(choice), timeout_seconds))

    def status(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_seconds: float | None = None,
    ) -> list[VersionStatus]:
        """The states of a model's versions, or of one."""
        choice = Choice(model=model, version=version, label=label)
        return self._answer(self._wire.status(choice), timeout_seconds)

    def ready(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_seconds: float | None = None,
    ) -> bool:
        """Whether a version of a model, or this one, would answer; False for models that the server does not have."""
        choice = Choice(model=model, version=version, label=label)
        try:
            return self._answer(self._wire.ready(choice), timeout_seconds)
        except ServingError as error:
            if error.code is not grpc.StatusCode.NOT_FOUND:
                raise
            return False

    def models(self, *, timeout_seconds: float | None = None) -> list[ModelState]:
        """The server's models and their states, of a server that has v2's RepositoryIndex, with either protocol."""
        return self._answer(v2.repository_index(), timeout_seconds)

    def live(self, *, timeout_seconds: float | None = None) -> bool:
        """Whether a server of v2 says that it is alive, with either protocol."""
        return self._answer(v2.server_live(), timeout_seconds)

    def reload(self, models: Iterable[ModelConfig], *, timeout_seconds: float | None = None) -> None:
        """Have the server serve these models and no others; returns when each has a version that answers."""
        self._check_protocol("reload")
        self._answer(calls.reload(models), timeout_seconds)

    def close(self) -> None:
        """End the connection, and the calls on their way with it: they raise ServingError, later ones ValueError."""
        with self._opening:
            self._closed = True
            if self._channel is not None:
                self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _checked(self, choice: Choice, inputs: Mapping[str, Any], timeout_seconds: float | None) -> Mapping[str, Any]:
        """The inputs, as arrays if they were checked. ValueError if they do not fit the signature."""
        if not self._checks(choice, inputs):
            return inputs
        arrays = as_arrays(inputs)
        if self._fits_known(choice, arrays):
            return arrays
        # Looked up, or again: what answers may be another version by now.
        found = self.metadata(choice.model, version=choice.version, label=choice.label, timeout_seconds=timeout_seconds)
        if problem := self._mismatch(found, choice, arrays):
            raise ValueError(problem)
        return arrays

    def _answer(self, call: Call[T], timeout_seconds: float | None) -> T:
        self._check_open()
        timeout = self._timeout(timeout_seconds)
        attempts = Attempts(timeout, self._retries)
        method = self._method(self._open(call), call.path)
        while True:
            try:
                data = method(call.request, timeout=attempts.seconds(), metadata=self._metadata)
            except grpc.RpcError as error:
                pause = attempts.pause(error)
                if pause is None:
                    raise self._error(error, call, timeout) from None
            else:
                return self._read(call, data)
            time.sleep(pause)
            self._check_open()

    def _send(self, call: Call[Prediction], timeout_seconds: float | None) -> PredictFuture:
        self._check_open()
        timeout = self._timeout(timeout_seconds)
        method = self._method(self._open(call), call.path)
        sent = method.future(call.request, timeout=timeout, metadata=self._metadata)
        future = PredictFuture(sent)

        def outcome() -> Prediction:
            try:
                data = sent.result()
            except grpc.RpcError as error:
                raise self._error(error, call, timeout) from None
            return self._read(call, data)

        sent.add_done_callback(lambda _: future.settle(outcome))
        return future

    def _open(self, call: Call[Any]) -> Any:
        """The channel; made by the first call, for names among several addresses are looked up then."""
        if self._channel is not None:
            return self._channel
        with self._opening:
            self._check_open()
            if self._channel is None:
                try:
                    self._channel = self._made(target(self._addresses))
                except OSError as error:
                    raise self._unknown(error, call) from None
            return self._channel

    def _made(self, at: str) -> Any:
        if self._credentials is None:
            return grpc.insecure_channel(at, self._options)
        return grpc.secure_channel(at, self._credentials, self._options)
