"""The messages of TensorFlow Serving's REST API that are the same for every model, as JSON Schemas."""

from serving.codecs.openapi.parts import Json
from serving.codecs.openapi.schemas import BASE64, BASE64_NAME, list_of, message, ref

_INT64 = {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}
_STATES = ["UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
_KINDS: tuple[Json, ...] = ({"type": "string"}, ref(BASE64_NAME), _INT64, {"type": "number"})
_FEATURE: Json = {
    "description": "Strings and base64 are bytes, numbers with a point or an exponent floats, all others int64.",
    "anyOf": [
        *_KINDS,
        {"type": "boolean"},
        *map(list_of, _KINDS),
    ],
}

SCHEMAS: Json = {
    BASE64_NAME: BASE64,
    "Example": {
        "type": "object",
        "description": "A tf.Example: its features by name.",
        "additionalProperties": _FEATURE,
    },
    "ClassifyAnswer": message(
        {
            "results": list_of(
                list_of(
                    {
                        "type": "array",
                        "description": "A label and its score.",
                        "items": {"anyOf": [{"type": "string"}, {"type": "number"}]},
                        "minItems": 2,
                        "maxItems": 2,
                    }
                )
            )
        },
        description="For each example every class.",
    ),
    "RegressAnswer": message({"results": list_of({"type": "number"})}, description="A number for each example."),
    "ModelStatus": message(
        {
            "model_version_status": list_of(
                message(
                    {
                        "version": {"type": "string", "pattern": "^[0-9]+$"},
                        "state": {"type": "string", "enum": _STATES},
                        "status": message({"error_code": {"type": "string"}, "error_message": {"type": "string"}}),
                    }
                )
            )
        },
        description="The states of the versions, the highest version first.",
    ),
    "Models": message(
        {
            "models": list_of({"type": "string"}),
            "states": {"type": "object", "additionalProperties": ref("ModelStatus")},
        }
    ),
    "TensorInfo": message(
        {
            "name": {"type": "string"},
            "dtype": {"type": "string"},
            "tensor_shape": message(
                {
                    "dim": list_of(message({"size": {"type": "string"}, "name": {"type": "string"}}, required=False)),
                    "unknown_rank": {"type": "boolean"},
                },
                required=False,
            ),
        },
        required=False,
    ),
    "SignatureDef": message(
        {
            "inputs": {"type": "object", "additionalProperties": ref("TensorInfo")},
            "outputs": {"type": "object", "additionalProperties": ref("TensorInfo")},
            "method_name": {"type": "string"},
        },
    ),
    "ModelMetadata": message(
        {
            "model_spec": message(
                {"name": {"type": "string"}, "version": {"type": "string"}, "signature_name": {"type": "string"}},
            ),
            "metadata": message(
                {
                    "signature_def": message(
                        {"signature_def": {"type": "object", "additionalProperties": ref("SignatureDef")}}
                    )
                }
            ),
        },
        description="The signatures of a version as they were saved.",
    ),
}
