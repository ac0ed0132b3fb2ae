"""Predict: named tensors in, named tensors out, on any signature (docs/compatibility.md, "Predict")."""

from serving.core.predict_plan import Prediction
from serving.core.servable import Servable
from serving.core.signature import CLASSIFY_METHOD_NAME, PREDICT_METHOD_NAME, REGRESS_METHOD_NAME, Feeds, Signature
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError

_METHOD_NAMES = (PREDICT_METHOD_NAME, CLASSIFY_METHOD_NAME, REGRESS_METHOD_NAME)


def find_signature(servable: Servable, name: str, *, check_method_name: bool) -> Signature:
    """The signature called ``name``; FAILED_PRECONDITION if there is none, INTERNAL if its method name is checked."""
    signature = servable.signatures.get(name)
    if signature is None:
        raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    signature = signature.for_predict
    if check_method_name:
        check(signature)
    return signature


def check(signature: Signature) -> None:
    """INTERNAL for a signature whose method name is none of those that Predict may be called for."""
    if signature.method_name not in _METHOD_NAMES:
        raise ServingError(
            Code.INTERNAL,
            "Expected prediction signature method_name to be one of {" + ", ".join(_METHOD_NAMES) + "}. Was: "
            f"{signature.method_name}",
        )


def bind(
    servable: Servable, signature: Signature, feeds: Feeds, given: list[Tensor], output_filter: tuple[str, ...] = ()
) -> Prediction:
    """The call for ``given``, the tensors of ``feeds.aliases``. INVALID_ARGUMENT for a filter that does not fit."""
    fetches = signature.fetches(output_filter)
    tensors = [*given, *feeds.defaults] if feeds.defaults else given
    return Prediction(servable.resolve(feeds.names, fetches.names), tensors, fetches.aliases)
