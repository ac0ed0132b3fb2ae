"""How a request's names become graph tensors, and the words for names that do not fit."""

import numpy as np
import pytest

import serving.core.signature as module
from serving.core.model_spec import ModelSpec
from serving.core.signature import Feeds, Fetches, Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError

ZERO = Tensor(DataType.FLOAT, np.zeros((), np.float32))


def info(name: str) -> TensorInfo:
    return TensorInfo(name=name, dtype=DataType.FLOAT)


def signature(**defaults: Tensor) -> Signature:
    return Signature(
        name="serving_default",
        inputs={"a": info("in_a:0"), "b": info("in_b:0")},
        outputs={"x": info("out_x:0"), "y": info("out_y:0")},
        defaults=defaults,
    )


FEEDS = [
    pytest.param(signature(), ("b", "a"), Feeds(("a", "b"), (), ("in_a:0", "in_b:0")), id="signature-order"),
    pytest.param(signature(a=ZERO), ("b",), Feeds(("b",), (ZERO,), ("in_b:0", "in_a:0")), id="default-comes-last"),
    pytest.param(
        signature(a=ZERO), ("a", "b"), Feeds(("a", "b"), (), ("in_a:0", "in_b:0")), id="what-is-sent-beats-the-default"
    ),
    pytest.param(signature(a=ZERO, b=ZERO), (), Feeds((), (ZERO, ZERO), ("in_a:0", "in_b:0")), id="all-defaults"),
]


@pytest.mark.parametrize(("wanted", "sent", "feeds"), FEEDS)
def test_feeds(wanted: Signature, sent: tuple[str, ...], feeds: Feeds) -> None:
    """What is sent comes first, in the signature's order, and defaults fill the rest."""
    assert wanted.feeds(sent) == feeds


BAD_FEEDS = [
    pytest.param(
        signature(),
        ("a",),
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}.",
        id="too-few",
    ),
    pytest.param(
        signature(a=ZERO),
        ("c", "b", "a"),
        "input size does not match signature: 3!=2 len({a,b,c}) != len({a,b}). Sent extra: {c}. "
        "Missing but required: {}.",
        id="too-many",
    ),
    pytest.param(
        signature(),
        ("a", "c"),
        "Signature input alias: b(feed name: in_b:0) not found in request and no default value provided. Inputs "
        "expected to be in the request {a,c}, or default input alias set: ",
        id="wrong-name",
    ),
    pytest.param(
        signature(b=ZERO),
        ("a", "c"),
        "Inputs contains invalid name. Used request inputs: {a,b}, request input: {a,c}",
        id="wrong-name-hidden-by-a-default",
    ),
]


@pytest.mark.parametrize(("wanted", "sent", "text"), BAD_FEEDS)
def test_feeds_refuse(wanted: Signature, sent: tuple[str, ...], text: str) -> None:
    """Input names that do not fit are told in TFS's words."""
    with pytest.raises(ServingError) as caught:
        wanted.feeds(sent)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


@pytest.mark.parametrize(
    ("output_filter", "fetches"),
    [
        pytest.param((), Fetches(("x", "y"), ("out_x:0", "out_y:0")), id="everything"),
        pytest.param(("y",), Fetches(("y",), ("out_y:0",)), id="one"),
        pytest.param(("y", "x"), Fetches(("y", "x"), ("out_y:0", "out_x:0")), id="order-of-the-filter"),
    ],
)
def test_fetches(output_filter: tuple[str, ...], fetches: Fetches) -> None:
    """The filter chooses, and an empty one takes all."""
    assert signature().fetches(output_filter) == fetches


@pytest.mark.parametrize(
    ("output_filter", "text"),
    [
        pytest.param(
            ("z",),
            "output tensor alias not found in signature: z Outputs expected to be in the set {x,y}.",
            id="unknown",
        ),
        pytest.param(("x", "x"), "duplicate output tensor alias: x", id="repeated"),
    ],
)
def test_fetches_refuse(output_filter: tuple[str, ...], text: str) -> None:
    """Output names that do not fit are told in TFS's words."""
    with pytest.raises(ServingError) as caught:
        signature().fetches(output_filter)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


def test_resolved_once() -> None:
    """The same names give the same objects, so that nothing is worked out per request."""
    wanted = signature()
    assert wanted.feeds(("a", "b")) is wanted.feeds(("a", "b"))
    assert wanted.fetches(("x",)) is wanted.fetches(("x",))


def test_kept_combinations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit answers are still right, and no longer kept."""
    monkeypatch.setattr(module, "_KEPT", 1)
    wanted = signature()
    first = wanted.fetches(("x",))
    assert wanted.fetches(("y",)) == Fetches(("y",), ("out_y:0",))
    assert wanted.fetches(("y",)) is not wanted.fetches(("y",))
    assert wanted.fetches(("x",)) is first


@pytest.mark.parametrize(
    ("asked", "used"), [pytest.param("", "serving_default", id="none"), pytest.param("other", "other", id="named")]
)
def test_signature_of_a_request(asked: str, used: str) -> None:
    """A request without a signature name means the default one."""
    assert ModelSpec(name="m", signature_name=asked).signature == used


@pytest.mark.parametrize(
    ("dtype", "word"),
    [
        pytest.param(DataType.INT64, "int64", id="int64"),
        pytest.param(DataType.HALF, "half", id="half"),
        pytest.param(DataType.STRING, "string", id="string"),
    ],
)
def test_words_of_types(dtype: DataType, word: str) -> None:
    """Types are called by TensorFlow's names."""
    assert dtype.word == word
