"""Infer: named tensors in and out, as the Open Inference Protocol has them, bound to a version."""

from serving.codecs.open_inference.infer import InferRequest
from serving.core.plans import Plan, Plans
from serving.core.signature import DEFAULT_SIGNATURE_NAME, Signature
from serving.core.tensor import Tensor
from serving.errors import ServingError, invalid_argument


def missing(name: str) -> ServingError:
    """The error of a request whose signature there is not."""
    return invalid_argument(
        f'The model has no signature "{name}"; expected the name of one of its signatures in the parameter '
        f"signature_name, which is {DEFAULT_SIGNATURE_NAME} if it is left out"
    )


def bind(request: InferRequest, plans: Plans, signature: Signature) -> tuple[Plan, list[Tensor]]:
    """The call of a request, and the tensors for it. Raises ServingError, INVALID_ARGUMENT, if they do not fit."""
    inputs = request.inputs
    wanted = tuple([each.name for each in request.outputs])
    key = request.signature_name or DEFAULT_SIGNATURE_NAME, tuple(inputs), wanted
    plan = plans.kept.get(key) or plans.predict(*key)
    tensors = [inputs[alias].tensor(signature.inputs[alias].dtype) for alias in plan.aliases]
    return plan, [*tensors, *plan.defaults] if plan.defaults else tensors
