"""Names of graph tensors in signatures: whatever they are, the answer is that of a TensorFlow session."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.errors import ServingError
from serving.servables import libtensorflow
from serving.servables.session import Session, SessionRun, open_graph
from tests.server.tensorflow.named_session import ONE, NamedSession, graph
from tests.support.models import NO_LIMIT

Answer = list[list[float]] | tuple[int, str]

HUGE = ("1215752191", "2147483647", "2147483648", "4294967296", "4294967297", "99999999999", "18446744073709551615")
NAMES = (
    *("score", "score:0", "score:1", "score:10", "score:00", "score:01", "split:0", "split:1", "split:001", "x:1"),
    *("score:", "score:a", "score:-1", "score:-0", "score:+0", "score: 0", "score:0 ", "score:0\n", "score:1.0"),
    *("score:1:0", "score:0:0", "score::0", "score:\u0663", " ", "", ":", "::0", ":0", ":00", "^:0", "0", "1:0"),
    *("^score", "^score:0", "^init", "^nope", "^", "^^score", "^ score", "^x", "init", "init:0", "init:1"),
    *(
        "nope",
        "nope:0",
        "nope:3",
        "nope:01",
        "nope:a",
        "nope:4294967299",
        "nope:18446744073709551615",
        "a/b:1",
        "é",
        "é:0",
    ),
    *(f"score:{number}" for number in HUGE),
    *(f"score:{digits}" for digits in ("18446744073709551616", "1" * 21, "0" * 40, "0" * 30 + "1")),
)
TOGETHER: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("x:0", "x:0"), ("score:0",)),
    (("z", "x", "x", "z"), ("score",)),
    (("x", "x"), ("nope",)),
    (("x:0", "x:0"), ("x:0",)),
    (("x:0",), ("x:0",)),
    (("z", "x"), ("z", "x")),
    (("x",), ("score", "score:0", "score")),
    (("nope",), ("missing",)),
    (("z2",), ("a2",)),
    (("b", "a"), ("score",)),
    (("x",), ("b", "a")),
    (("x:1",), ("nope",)),
    (("nope",), ("score:1",)),
    (("x:1",), ("score:1",)),
    (("score:1",), ("x:1",)),
    (("split:3",), ("score:1",)),
    (("x", "z:2"), ("nope",)),
    (("^x",), ("^score",)),
    (("^nope",), ("^missing",)),
    (("x",), ("nope", "^score")),
    (("x",), ("score:2", "score:1")),
    (("x", "nope"), ()),
    (("x", "x"), ()),
    (("x",), ()),
    (("init",), ("init",)),
)


@pytest.fixture(scope="module")
def truth() -> Iterator[NamedSession]:
    """TensorFlow's own session."""
    session = NamedSession(graph())
    yield session
    session.close()


@pytest.fixture(scope="module")
def ours() -> Iterator[Session]:
    """The same graph as the server has it."""
    session = open_graph(libtensorflow.load(), graph().SerializeToString(), b"")
    yield session
    session.close()


def answer(run: Callable[[], list[list[float]]]) -> Answer:
    """What comes of a run: values, or code and text."""
    try:
        return run()
    except ServingError as error:
        return int(error.code), error.text


def served(session: Session, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Answer:
    """The same of the server's run."""
    with ThreadPoolExecutor(1) as executor:
        return answer(
            lambda: [
                output.array.tolist()
                for output in SessionRun(session, feeds, fetches, executor)([ONE] * len(feeds), NO_LIMIT)
            ]
        )


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_fetched(truth: NamedSession, ours: Session, name: str) -> None:
    """A name as the output of a signature."""
    assert served(ours, ("x:0",), (name,)) == answer(lambda: truth.run(("x:0",), (name,)))


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_fed(truth: NamedSession, ours: Session, name: str) -> None:
    """A name as the input of a signature."""
    assert served(ours, (name, "z:0"), ("both:0",)) == answer(lambda: truth.run((name, "z:0"), ("both:0",)))


@pytest.mark.parametrize(("feeds", "fetches"), TOGETHER, ids=repr)
def test_together(truth: NamedSession, ours: Session, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> None:
    """Several names, wrong ones and repeated ones: TensorFlow says which of them counts."""
    assert served(ours, feeds, fetches) == answer(lambda: truth.run(feeds, fetches))


def test_what_would_end_tensorflow(ours: Session) -> None:
    """A result fed twice that its operation lacks ends TensorFlow's process; here it is the error of one."""
    code, text = served(ours, ("x:1", "x:1"), ("score:0",))
    assert (code, text) == (11, "Node 'x' (type: 'Placeholder', num of outputs: 1) does not have output 1")


def test_a_zero_byte(ours: Session) -> None:
    """A name does not end at a zero byte."""
    assert served(ours, ("x:0",), ("score\0:0",)) == (
        3,
        "Tensor score\0:0, specified in either feed_devices or fetch_devices was not found in the Graph",
    )
