"""The signatures of a SessionBundle as SignatureDefs (docs/models.md, "Session bundles"); loads nothing.

The format has three kinds. A regression or classification signature takes Examples. A generic one is a map from names
to tensors that does not say which go in and which come out, save for the pair named ``inputs`` and ``outputs``.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from serving.core.signature import (
    CLASSIFY_METHOD_NAME,
    DEFAULT_SIGNATURE_NAME,
    PREDICT_METHOD_NAME,
    REGRESS_METHOD_NAME,
)
from serving.protos import SignatureDef

INPUTS, OUTPUTS = "inputs", "outputs"
PAIR_NAME = "predict"
"""The name under which the pair is served beside a default signature that takes Examples."""

Tensors = Mapping[str, str]
"""Graph tensors by their aliases."""


class GraphTensor(NamedTuple):
    """What the graph says of a tensor: its TensorInfo message, and whether it is a placeholder."""

    info: Any
    placeholder: bool


Describe = Callable[[str], GraphTensor]
"""Looks a tensor up in the graph by its name; raises ServingError if it is not there."""


class BundleSignatures(NamedTuple):
    """SignatureDef messages by name, and the one that Predict calls as ``serving_default``, if it is another."""

    definitions: dict[str, Any]
    predict_default: Any = None


def convert(signatures: Any, describe: Describe) -> BundleSignatures:
    """Every signature of a ``Signatures`` message that can be called. Raises what ``describe`` raises."""
    named = {entry.key: entry.value for entry in signatures.named_signatures}
    pair = _pair(named, describe)
    if pair is not None:
        del named[INPUTS], named[OUTPUTS]
    if signatures.HasField("default_signature"):
        named[DEFAULT_SIGNATURE_NAME] = signatures.default_signature
    definitions = {name: made for name in sorted(named) if (made := _definition(named[name], describe)) is not None}
    if pair is None:
        return BundleSignatures(definitions)
    if DEFAULT_SIGNATURE_NAME not in definitions:
        definitions[DEFAULT_SIGNATURE_NAME] = pair
        return BundleSignatures(definitions)
    definitions.setdefault(PAIR_NAME, pair)
    return BundleSignatures(definitions, pair)


def _pair(named: Mapping[str, Any], describe: Describe) -> Any:
    """The one signature that the generic ones named ``inputs`` and ``outputs`` make together, or None."""
    if not all(name in named and named[name].HasField("generic_signature") for name in (INPUTS, OUTPUTS)):
        return None
    inputs, outputs = (dict(_bindings(named[name].generic_signature)) for name in (INPUTS, OUTPUTS))
    return _define(PREDICT_METHOD_NAME, inputs, outputs, describe)


def _definition(signature: Any, describe: Describe) -> Any:
    """One signature; None if it is of no kind, or has no output to ask for."""
    if signature.HasField("regression_signature"):
        given = signature.regression_signature
        inputs, outputs = {INPUTS: given.input}, {OUTPUTS: given.output}
        return _define(REGRESS_METHOD_NAME, _named(inputs), _named(outputs), describe)
    if signature.HasField("classification_signature"):
        given = signature.classification_signature
        inputs, outputs = {INPUTS: given.input}, {"classes": given.classes, "scores": given.scores}
        return _define(CLASSIFY_METHOD_NAME, _named(inputs), _named(outputs), describe)
    if signature.HasField("generic_signature"):
        return _generic(dict(_bindings(signature.generic_signature)), describe)
    return None


def _generic(tensors: Tensors, describe: Describe) -> Any:
    """Placeholders are inputs, all else can be fetched."""
    inputs = {alias: name for alias, name in tensors.items() if describe(name).placeholder}
    outputs = {alias: name for alias, name in tensors.items() if alias not in inputs}
    return _define(PREDICT_METHOD_NAME, inputs, outputs, describe) if outputs else None


def _define(method_name: str, inputs: Tensors, outputs: Tensors, describe: Describe) -> Any:
    definition = SignatureDef(method_name=method_name)
    for tensors, infos in ((inputs, definition.inputs), (outputs, definition.outputs)):
        for alias, name in tensors.items():
            infos[alias].CopyFrom(describe(name).info)
    return definition


def _bindings(generic: Any) -> Iterator[tuple[str, str]]:
    return ((entry.key, entry.value.tensor_name) for entry in generic.map)


def _named(bindings: Mapping[str, Any]) -> Tensors:
    """The bindings that name a tensor; a classification may lack its classes or its scores."""
    return {alias: binding.tensor_name for alias, binding in bindings.items() if binding.tensor_name}
