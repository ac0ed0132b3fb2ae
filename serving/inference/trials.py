"""Requests tried on a version that is being described, so that what is shown as an example has been answered by it."""

from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic

from serving.core.handle import Lease
from serving.core.servable import ServableId
from serving.core.signature import Signature
from serving.errors import ServingError
from serving.inference.classify import CLASSIFY
from serving.inference.operations import ExamplesForm, Form, InferForm, Operation, PredictForm
from serving.inference.regress import REGRESS

_TRY_SECONDS, _ALL_SECONDS = 5.0, 20.0
"""For one request, and for all of a version: who waits for its description has no use for more."""

Try = Callable[[Operation | None, Form, bytes, int], "Future[bytes]"]
"""The answer to a request for Classify or Regress, or without an operation to one with tensors, within so many ms."""


class Trials:
    """One version, held while it is described. When the time for trying is over, nothing is answered any more."""

    def __init__(self, lease: Lease, try_: Try, clock: Callable[[], float] = monotonic) -> None:
        self._lease = lease
        self._try = try_
        self._clock = clock
        self._until = clock() + _ALL_SECONDS

    @property
    def id(self) -> ServableId:
        """The version."""
        return self._lease.id

    @property
    def loaded(self) -> object:
        """What is the same as long as the version stays loaded."""
        return self._lease.servable

    @property
    def signatures(self) -> dict[str, Signature]:
        """Every signature, as Classify and Regress call it."""
        return dict(self._lease.servable.signatures)

    @property
    def for_predict(self) -> dict[str, Signature]:
        """Every signature, as Predict calls it."""
        return dict(self._lease.plans.signatures)

    def predict(self, form: PredictForm, payload: bytes) -> bool:
        """Whether a request for Predict is answered."""
        return self._answered(None, form, payload)

    def infer(self, form: InferForm, payload: bytes) -> bool:
        """Whether a request for named tensors, whose answer repeats some of it, is answered."""
        return self._answered(None, form, payload)

    def classify(self, form: ExamplesForm, payload: bytes) -> bool:
        """Whether a request for Classify is answered."""
        return self._answered(CLASSIFY, form, payload)

    def regress(self, form: ExamplesForm, payload: bytes) -> bool:
        """Whether a request for Regress is answered."""
        return self._answered(REGRESS, form, payload)

    def _answered(self, operation: Operation | None, form: Form, payload: bytes) -> bool:
        left = self._until - self._clock()
        if left <= 0:
            return False
        seconds = min(left, _TRY_SECONDS)
        try:
            answer = self._try(operation, form, payload, int(seconds * 1000))
        except ServingError:
            return False
        try:
            answer.result(seconds)
        except ServingError:
            return False
        except TimeoutError:  # a run that cannot be ended: nothing more is asked of this version
            answer.cancel()
            self._until = self._clock()
            return False
        return True
