"""Classification and regression results, written straight to the wire.

Labels are a graph's bytes; a message class would refuse those that are not UTF-8, which TensorFlow Serving passes on.
"""

import numpy as np
from numpy.typing import NDArray

from serving.codecs.protobuf.model_spec import serialized
from serving.codecs.protobuf.wire import field
from serving.core.results import Classification, Regression
from serving.core.servable import ServableId

_RESULT, _MODEL_SPEC = b"\x0a", b"\x12"  # fields 1 and 2 of ClassificationResponse and RegressionResponse
_ENTRY = b"\x0a"  # field 1 of ClassificationResult, Classifications, RegressionResult and MultiInferenceResponse
_LABEL, _SCORE = b"\x0a", b"\x15"  # fields 1 and 2 of Class
_VALUE = b"\x0d"  # field 1 of Regression
_TASK_SPEC, _TASK_CLASSIFICATION, _TASK_REGRESSION = b"\x0a", b"\x12", b"\x1a"  # fields 1 to 3 of InferenceResult


def response(result: bytes, servable_id: ServableId, signature_name: str) -> bytes:
    """The serialised ClassificationResponse or RegressionResponse of a serialised result."""
    return field(_RESULT, result) + field(_MODEL_SPEC, serialized(servable_id, signature_name))


def encode(result: Classification | Regression) -> bytes:
    """The serialised ClassificationResult or RegressionResult."""
    return classification(result) if isinstance(result, Classification) else regression(result)


def classification(result: Classification) -> bytes:
    """The serialised ClassificationResult."""
    (rows, columns), (labels, scores) = result.shape, result
    texts = labels.tolist() if labels is not None else [[b""] * columns] * rows
    numbers = _singles(scores, _SCORE) if scores is not None else [b""] * (rows * columns)
    parts = []
    for row in range(rows):
        classes = (
            field(_ENTRY, (field(_LABEL, text) if text else b"") + number)
            for text, number in zip(texts[row], numbers[row * columns : (row + 1) * columns], strict=True)
        )
        parts.append(field(_ENTRY, b"".join(classes)))
    return b"".join(parts)


def regression(result: Regression) -> bytes:
    """The serialised RegressionResult."""
    return b"".join(field(_ENTRY, number) for number in _singles(result.values, _VALUE))


def task(servable_id: ServableId, signature_name: str, result: Classification | Regression) -> bytes:
    """One entry of a serialised MultiInferenceResponse."""
    spec = field(_TASK_SPEC, serialized(servable_id, signature_name))
    if isinstance(result, Classification):
        return field(_ENTRY, spec + field(_TASK_CLASSIFICATION, classification(result)))
    return field(_ENTRY, spec + field(_TASK_REGRESSION, regression(result)))


def _singles(values: NDArray[np.float32], tag: bytes) -> list[bytes]:
    """Each number as a tagged 32-bit field; zeros are left out, as proto3 does (but not minus zero)."""
    data = values.astype("<f4").tobytes()
    return [tag + data[at : at + 4] if data[at : at + 4] != b"\0\0\0\0" else b"" for at in range(0, len(data), 4)]
