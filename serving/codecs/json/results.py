"""Answers to classify and regress requests as JSON text, byte for byte TensorFlow Serving's."""

from serving.codecs.json.decimals import float_texts
from serving.codecs.json.strings import quoted
from serving.core.results import Classification, Regression

_BODY = b'{\n    "results": %b\n}'


def classifications(result: Classification) -> bytes:
    """A list of ``[label, score]`` per example; a missing label is ``""``, a missing score ``0.0``."""
    (rows, columns), (labels, scores) = result.shape, result
    count = rows * columns
    texts = list(map(quoted, labels.ravel().tolist())) if labels is not None else [b'""'] * count
    numbers = float_texts(scores) if scores is not None else [b"0.0"] * count
    pairs = [b"[%b, %b]" % pair for pair in zip(texts, numbers, strict=True)]
    lines = [b"[%b]" % b", ".join(pairs[row * columns : (row + 1) * columns]) for row in range(rows)]
    return _BODY % (b"[%b\n    ]" % b", ".join(lines))


def regressions(result: Regression) -> bytes:
    """One number per example, on one line."""
    return _BODY % (b"[%b]" % b", ".join(float_texts(result.values)))
