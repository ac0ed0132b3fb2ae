"""Requests for the examples of a version's document: made up, tried on the version, and shown if they were answered."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from serving.codecs.openapi import bodies, open_inference, schemas
from serving.codecs.openapi.parts import Answered, Examples, Json
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.servable import ServableId
from serving.core.signature import CLASSIFY_METHOD_NAME, REGRESS_METHOD_NAME, Signature
from serving.core.tensor import Tensor
from serving.inference.operations import ExamplesForm, PredictForm
from serving.inference.trials import Trials
from serving.rest.api.open_inference_infer import form as infer_form
from serving.rest.api.tfs import examples_form

MadeUp = Callable[[ServableId, Mapping[str, Signature]], Mapping[str, Iterator[list[Tensor]]]]
"""Inputs for the signatures of a version, in the order of each signature's inputs; the likeliest first, maybe none."""

_MOST_TRIED = 16
"""Inputs for one signature; where sizes are unknown, each is a guess."""

_MOST_BYTES = 64 * 1024
"""A longer example is none to read."""


class Trying:
    """Makes the examples of a version. Trying takes as long as so many runs of the model."""

    def __init__(self, made_up: MadeUp, form: PredictForm) -> None:
        self._made_up = made_up
        self._form = form
        self._classify, self._regress = examples_form(LogType.CLASSIFY), examples_form(LogType.REGRESS)

    def __call__(self, trials: Trials) -> Examples:
        """What the version has answered."""
        inputs = self._made_up(trials.id, trials.for_predict)
        predict = {name: self._predict(trials, name, given) for name, given in inputs.items()}
        answered = {name: each for name, each in predict.items() if each is not None}
        by_examples = self._made_up(trials.id, trials.signatures)
        return Examples(
            predict=answered,
            infer=self._infer(trials, answered),
            classify=self._with_examples(trials, by_examples, CLASSIFY_METHOD_NAME, self._classify, trials.classify),
            regress=self._with_examples(trials, by_examples, REGRESS_METHOD_NAME, self._regress, trials.regress),
        )

    def _predict(self, trials: Trials, name: str, candidates: Iterator[list[Tensor]]) -> Answered | None:
        """The first inputs that are answered."""
        signature = trials.for_predict[name]
        if not (schemas.are_carried(signature.inputs) and schemas.are_carried(signature.outputs)):
            return None
        for candidate in _short(candidates):
            inputs = dict(zip(signature.inputs, map(bodies.shortened, candidate), strict=True))
            if not trials.predict(self._form, _written(bodies.columns(name, inputs))):
                continue
            in_rows = schemas.have_rows(signature.inputs) and schemas.have_rows(signature.outputs)
            if in_rows:
                in_rows = trials.predict(self._form, _written(bodies.rows(name, inputs)))
            return Answered(inputs, in_rows)
        return None

    def _infer(self, trials: Trials, answered: Mapping[str, Answered]) -> Mapping[str, Json]:
        """The same inputs in the Open Inference Protocol, as far as it takes them in JSON."""
        form, found = infer_form(None, ""), {}
        for name, (inputs, _) in answered.items():
            body = open_inference.body(name, inputs)
            if body is not None and trials.infer(form, _written(body)):
                found[name] = body
        return found

    def _with_examples(
        self,
        trials: Trials,
        inputs: Mapping[str, Iterator[list[Tensor]]],
        method_name: str,
        form: ExamplesForm,
        is_answered: Callable[[ExamplesForm, bytes], bool],
    ) -> Mapping[str, Json]:
        """By signature of that method, the first request of Examples that is answered."""
        found = {}
        for name, candidates in inputs.items():
            signature = trials.signatures[name]
            if signature.method_name != method_name or len(signature.inputs) != 1:
                continue
            for (tensor,) in _short(candidates):
                body = bodies.examples(name, tensor)
                if body is not None and is_answered(form, _written(body)):
                    found[name] = body
                    break
        return found


def _short(candidates: Iterator[list[Tensor]]) -> Iterator[list[Tensor]]:
    """The first candidates, of those that are short enough to be shown."""
    return (each for each in islice(candidates, _MOST_TRIED) if bodies.size_of(each) <= _MOST_BYTES)


def _written(body: Any) -> bytes:
    return json.dumps(body).encode()
