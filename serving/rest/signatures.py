"""The signature whose inputs give the values of a JSON body their types; its absence is worded otherwise over gRPC."""

from serving.core.servable import Servable
from serving.core.signature import DEFAULT_SIGNATURE_NAME, Signature
from serving.errors import invalid_argument


def for_json(servable: Servable, given: str) -> Signature:
    """The signature that Predict calls by the name ``given``, perhaps empty. INVALID_ARGUMENT without one or inputs."""
    name = given or DEFAULT_SIGNATURE_NAME
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
    if not signature.inputs:
        raise invalid_argument(f"Failed to get input map for signature: {given or 'DEFAULT'}")
    return signature.for_predict
