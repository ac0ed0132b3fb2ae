"""The client that waits for its answers."""

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.client import calls
from serving.client.calls import Call, Choice
from serving.client.connection import TIMEOUT_SECONDS, CallMetadata, Connection, Options
from serving.client.examples import Features
from serving.client.futures import PredictFuture
from serving.client.values import Classification, Inference, Metadata, ModelConfig, Prediction, Task, VersionStatus

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
        address: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        options: Options = (),
        metadata: CallMetadata = (),
        timeout_seconds: float | None = TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(
            address, credentials=credentials, options=options, metadata=metadata, timeout_seconds=timeout_seconds
        )
        if credentials is None:
            self._channel = grpc.insecure_channel(address, self._options)
        else:
            self._channel = grpc.secure_channel(address, credentials, self._options)

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
        return self._answer(calls.predict(choice, inputs, output_filter), timeout_seconds)

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
        return self._send(calls.predict(choice, inputs, output_filter), timeout_seconds)

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
        return self._answer(calls.metadata(Choice(model=model, version=version, label=label)), timeout_seconds)

    def status(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_seconds: float | None = None,
    ) -> list[VersionStatus]:
        """The states of a model's versions, or of one."""
        return self._answer(calls.status(Choice(model=model, version=version, label=label)), timeout_seconds)

    def reload(self, models: Iterable[ModelConfig], *, timeout_seconds: float | None = None) -> None:
        """Have the server serve these models and no others; returns when each has a version that answers."""
        self._answer(calls.reload(models), timeout_seconds)

    def close(self) -> None:
        """End the connection, and the calls on their way with it: they raise ServingError, later ones ValueError."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, call: Call[T], timeout_seconds: float | None) -> T:
        self._check_open()
        timeout = self._timeout(timeout_seconds)
        try:
            data = self._method(self._channel, call.path)(call.request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._error(error, call, timeout) from None
        return self._read(call, data)

    def _send(self, call: Call[Prediction], timeout_seconds: float | None) -> PredictFuture:
        self._check_open()
        timeout = self._timeout(timeout_seconds)
        sent = self._method(self._channel, call.path).future(call.request, timeout=timeout, metadata=self._metadata)
        future = PredictFuture(sent)

        def outcome() -> Prediction:
            try:
                data = sent.result()
            except grpc.RpcError as error:
                raise self._error(error, call, timeout) from None
            return self._read(call, data)

        sent.add_done_callback(lambda _: future.settle(outcome))
        return future
