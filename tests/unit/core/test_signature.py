"""How a request's names become graph tensors, and the texts for names that do not fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.signature import Fetches, Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError

SEVEN = Tensor(DataType.FLOAT, np.array(7, np.float32))


def signature(inputs: str = "", outputs: str = "", defaults: str = "") -> Signature:
    """A signature whose aliases are the letters given; the graph tensor of ``a`` is ``a:0``."""
    return Signature(
        name="s",
        inputs={alias: TensorInfo(name=f"{alias}:0", dtype=DataType.FLOAT) for alias in inputs},
        outputs={alias: TensorInfo(name=f"{alias}:0", dtype=DataType.FLOAT) for alias in outputs},
        defaults=dict.fromkeys(defaults, SEVEN),
    )


def refusal(signature: Signature, sent: str) -> str:
    """The text with which these inputs are refused."""
    with pytest.raises(ServingError) as raised:
        signature.feeds(tuple(sent))
    assert raised.value.code is Code.INVALID_ARGUMENT
    return raised.value.message


@pytest.mark.parametrize(
    ("inputs", "defaults", "sent", "aliases", "names", "from_defaults"),
    [
        pytest.param("", "", "", "", "", 0, id="none"),
        pytest.param("ab", "", "ab", "ab", "ab", 0, id="all"),
        pytest.param("ab", "", "ba", "ab", "ab", 0, id="in another order"),
        pytest.param("ab", "b", "a", "a", "ab", 1, id="default"),
        pytest.param("abc", "b", "ca", "ac", "acb", 1, id="default between"),
        pytest.param("ab", "ab", "", "", "ab", 2, id="defaults only"),
        pytest.param("ab", "b", "ab", "ab", "ab", 0, id="default not needed"),
    ],
)
def test_feeds(inputs: str, defaults: str, sent: str, aliases: str, names: str, from_defaults: int) -> None:
    """What was sent comes first, in the signature's order; defaults follow for what was not."""
    feeds = signature(inputs, defaults=defaults).feeds(tuple(sent))
    assert feeds.aliases == tuple(aliases)
    assert feeds.names == tuple(f"{alias}:0" for alias in names)
    assert feeds.defaults == (SEVEN,) * from_defaults


@pytest.mark.parametrize(
    ("inputs", "defaults", "sent", "text"),
    [
        pytest.param(
            "ab",
            "",
            "a",
            "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. "
            "Missing but required: {b}.",
            id="too few",
        ),
        pytest.param(
            "a",
            "",
            "cb",
            "input size does not match signature: 2!=1 len({b,c}) != len({a}). Sent extra: {b,c}. "
            "Missing but required: {a}.",
            id="too many",
        ),
        pytest.param(
            "a",
            "a",
            "ab",
            "input size does not match signature: 2!=1 len({a,b}) != len({a}). Sent extra: {b}. "
            "Missing but required: {}.",
            id="too many in spite of defaults",
        ),
        pytest.param(
            "",
            "",
            "a",
            "input size does not match signature: 1!=0 len({a}) != len({}). Sent extra: {a}. Missing but required: {}.",
            id="none expected",
        ),
        pytest.param(
            "ab",
            "",
            "ca",
            "Signature input alias: b(feed name: b:0) not found in request and no default value provided. Inputs "
            "expected to be in the request {a,c}, or default input alias set: ",
            id="wrong name",
        ),
        pytest.param(
            "abc",
            "cb",
            "",
            "Signature input alias: a(feed name: a:0) not found in request and no default value provided. Inputs "
            "expected to be in the request {}, or default input alias set: b,c",
            id="missing without default",
        ),
        pytest.param(
            "ab",
            "b",
            "ca",
            "Inputs contains invalid name. Used request inputs: a, request input: a,c",
            id="wrong name where a default covers",
        ),
    ],
)
def test_inputs_that_do_not_fit(inputs: str, defaults: str, sent: str, text: str) -> None:
    """The texts are TensorFlow Serving's."""
    assert refusal(signature(inputs, defaults=defaults), sent) == text


@pytest.mark.parametrize(
    ("output_filter", "aliases"),
    [
        pytest.param("", "yz", id="no filter"),
        pytest.param("z", "z", id="one"),
        pytest.param("zy", "zy", id="in the filter's order"),
    ],
)
def test_fetches(output_filter: str, aliases: str) -> None:
    """A filter chooses outputs and their order; none means all of them."""
    assert signature(outputs="yz").fetches(tuple(output_filter)) == Fetches(
        aliases=tuple(aliases), names=tuple(f"{alias}:0" for alias in aliases)
    )


@pytest.mark.parametrize(
    ("output_filter", "text"),
    [
        pytest.param(
            "yx", "output tensor alias not found in signature: x Outputs expected to be in the set {y,z}.", id="unknown"
        ),
        pytest.param("zyz", "duplicate output tensor alias: z", id="repeated"),
    ],
)
def test_filters_that_do_not_fit(output_filter: str, text: str) -> None:
    """The texts are TensorFlow Serving's."""
    with pytest.raises(ServingError) as raised:
        signature(outputs="zy").fetches(tuple(output_filter))
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, text)


def test_what_was_resolved_does_not_make_signatures_different() -> None:
    """Equality is about what a signature is, not about what was asked of it."""
    asked, fresh = signature("a", "y"), signature("a", "y")
    asked.feeds(("a",))
    assert asked == fresh


names = st.frozensets(st.sampled_from("abcd"))


@given(names, names, st.permutations("abcd"), st.integers(0, 4))
def test_every_input_is_fed_exactly_once(
    inputs: frozenset[str], defaults: frozenset[str], order: list[str], count: int
) -> None:
    """Whatever is sent is either refused or feeds every input of the signature once, and nothing else."""
    known = signature("".join(sorted(inputs)), defaults="".join(sorted(defaults)))
    sent = tuple(order[:count])
    accepted = set(sent) <= inputs and inputs - set(sent) <= defaults
    if not accepted:
        refusal(known, "".join(sent))
        return
    feeds = known.feeds(sent)
    assert sorted(feeds.names) == sorted(f"{alias}:0" for alias in inputs)
    assert set(feeds.aliases) == set(sent)
    assert len(feeds.aliases) + len(feeds.defaults) == len(feeds.names)
