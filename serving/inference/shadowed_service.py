"""The service where --shadow names a version: requests for Predict are kept for it with their answers."""

from collections.abc import Callable
from functools import partial
from typing import Any

from serving.core.model_spec import ModelSpec
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.operations import InferForm, PredictForm
from serving.inference.service import Service
from serving.inference.shadows import Shadows


class ShadowedService(Service):
    """As ``Service``; ``shadows`` draws some of the requests for models that have one."""

    def __init__(self, shadows: Shadows, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._shadows = shadows

    def predicting(self, address: ModelSpec | None, form: PredictForm) -> Callable[[bytes, RequestContext], Reply]:
        """As the service's."""
        if address is not None and address.name not in self._shadows.models:
            return super().predicting(address, form)
        begin, bind, bound = self._begin, self._predict, self._shadows.bound

        def predict(payload: bytes, context: RequestContext) -> Reply:
            return begin(partial(bound, bind, bind, payload), address, form, payload, context)

        return predict

    def inferring(self, address: ModelSpec | None, form: InferForm) -> Callable[[bytes, RequestContext], Reply]:
        """As the service's."""
        if address is not None and address.name not in self._shadows.models:
            return super().inferring(address, form)
        begin, bind, bound = self._begin, self._infer, self._shadows.bound
        again = partial(bind, RequestContext("REST"))  # that of the request is its own, and may be another's by then

        def infer(payload: bytes, context: RequestContext) -> Reply:
            return begin(partial(bound, partial(bind, context), again, payload), address, form, payload, context)

        return infer
