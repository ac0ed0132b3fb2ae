"""What a servable accepts and returns, and how a request's names become graph tensors: resolved once, then kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from serving.core.tensor import DataType, Tensor
from serving.errors import invalid_argument

DEFAULT_SIGNATURE_NAME = "serving_default"

LOADER_SIGNATURES = "__saved_model_"
"""Signatures that are there for the loader begin like this."""

PREDICT_METHOD_NAME = "tensorflow/serving/predict"
CLASSIFY_METHOD_NAME = "tensorflow/serving/classify"
REGRESS_METHOD_NAME = "tensorflow/serving/regress"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """A named end of the graph.

    ``name`` is the graph tensor (``x:0``); ``shape`` has -1 for an unknown size and is None for an unknown rank.
    """

    name: str
    dtype: DataType
    shape: tuple[int, ...] | None = None


class Feeds(NamedTuple):
    """The inputs of one kind of request: ``aliases`` come from it, ``defaults`` follow from the signature.

    ``names`` are the graph tensors, those of ``aliases`` first.
    """

    aliases: tuple[str, ...]
    defaults: tuple[Tensor, ...]
    names: tuple[str, ...]


class Fetches(NamedTuple):
    """The outputs of one kind of request: aliases and, in the same order, their graph tensors."""

    aliases: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A way to call a servable. ``defaults`` stand in for inputs that a request leaves out.

    ``predict_instead`` is what Predict calls by this name, where a model has one for tensors and another for Examples.
    """

    name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    method_name: str = PREDICT_METHOD_NAME
    defaults: Mapping[str, Tensor] = field(default_factory=dict)
    predict_instead: "Signature | None" = None

    @property
    def for_predict(self) -> "Signature":
        """The signature that Predict calls by this one's name: nearly always this one."""
        return self.predict_instead or self

    def feeds(self, sent: tuple[str, ...]) -> Feeds:
        """What to feed for a request with these input aliases; INVALID_ARGUMENT as docs/compatibility.md, "Predict"."""
        if len(sent) > len(self.inputs) or (len(sent) < len(self.inputs) and not self.defaults):
            raise invalid_argument(_size_mismatch(set(sent), set(self.inputs)))
        given = [alias for alias in self.inputs if alias in sent]
        missing = [alias for alias in self.inputs if alias not in sent]
        for alias in missing:
            if alias not in self.defaults:
                raise invalid_argument(
                    f"Signature input alias: {alias}(feed name: {self.inputs[alias].name}) not found in request and no "
                    f"default value provided. Inputs expected to be in the request {_names(sent)}, or default input "
                    f"alias set: {','.join(sorted(self.defaults))}"
                )
        if len(given) < len(sent):
            used, all_sent = ",".join(sorted(given)), ",".join(sorted(sent))
            raise invalid_argument(
                f"Inputs contains invalid name. Used request inputs: {used}, request input: {all_sent}"
            )
        return Feeds(
            aliases=tuple(given),
            defaults=tuple(self.defaults[alias] for alias in missing),
            names=tuple(self.inputs[alias].name for alias in (*given, *missing)),
        )

    def fetches(self, output_filter: tuple[str, ...]) -> Fetches:
        """What to fetch for this output filter, everything if it is empty; INVALID_ARGUMENT for unknown or repeated."""
        for index, alias in enumerate(output_filter):
            if alias not in self.outputs:
                raise invalid_argument(
                    f"output tensor alias not found in signature: {alias} "
                    f"Outputs expected to be in the set {_names(self.outputs)}."
                )
            if alias in output_filter[:index]:
                raise invalid_argument(f"duplicate output tensor alias: {alias}")
        aliases = output_filter or tuple(self.outputs)
        return Fetches(aliases=aliases, names=tuple(self.outputs[alias].name for alias in aliases))


def _names(aliases: Iterable[str]) -> str:
    return "{" + ",".join(sorted(aliases)) + "}"


def _size_mismatch(sent: set[str], expected: set[str]) -> str:
    return (
        f"input size does not match signature: {len(sent)}!={len(expected)} len({_names(sent)}) != "
        f"len({_names(expected)}). Sent extra: {_names(sent - expected)}. "
        f"Missing but required: {_names(expected - sent)}."
    )
