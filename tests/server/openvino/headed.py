"""A model with a head through all that the server does with it, but for the choice by time: OpenVINO runs each call."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.openvino import library as openvino
from serving.openvino.compiling import EngineSettings, Numbers
from serving.optimizing import graph_state, qualifying
from serving.optimizing.body_trial import Answered, BodyTrial, TriedBody
from serving.optimizing.candidates import Group
from serving.optimizing.choice import Cell, Engine, Table
from serving.optimizing.engine_servable import EngineServable
from serving.optimizing.examples import examples
from serving.optimizing.freezing import FrozenGraph, Kind, Model, frozen
from serving.optimizing.graph_index import GraphIndex
from serving.optimizing.opening import opened
from serving.optimizing.process import Children
from serving.optimizing.session import with_weights
from serving.optimizing.trying import Terms
from serving.optimizing.verdict import OpenVinoPart, StepVerdict, TensorFlowPart, Verdict
from serving.servables.saved_model import SavedModelOptions, SavedModelServable, load_saved_model
from tests.support import servable_id

TOLERANCE = 1e-4
_TAGS = ("serve",)
_TERMS = Terms(
    config=b"", threads=1, rows=(1,), numbers=Numbers.FLOAT32, tensorflow=False, tolerance=TOLERANCE, max_files=64
)
_ALWAYS = Table(cells=(Cell(rows=1, calls=1, engine=Engine.OPENVINO, plain_milliseconds=2, milliseconds=1),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Headed:
    """A model as it is saved, and the servable that has OpenVINO's body, TensorFlow's head and the flat graph.

    ``answered`` counts the calls that OpenVINO answered.
    """

    plain: SavedModelServable
    servable: EngineServable
    tried: TriedBody
    answered: Counter[str]


@contextmanager
def headed(path: Path) -> Iterator[Headed]:
    """The version at ``path``, frozen by the real child."""
    with ThreadPoolExecutor(2) as executor, ExitStack() as stack:
        plain, saved = (load_saved_model(path, SavedModelOptions(), executor) for _ in range(2))
        stack.callback(plain.close)
        (group,) = qualifying.qualified(path / "saved_model.pb", _TAGS, plain.signatures).groups
        children = Children()
        stack.callback(children.close)
        (flat,) = frozen(children, Model(path=path, tags=_TAGS, config=b""), [group], Kind.FLAT)
        assert isinstance(flat, FrozenGraph), flat
        tried = _tried(path, plain, group, flat)
        servable = EngineServable(saved)
        stack.callback(servable.close)
        answered: Counter[str] = Counter()
        verdict = Verdict(steps=(_verdict(tried, flat),))
        assert servable.adopt(opened(verdict, saved, [group], _TERMS, servable_id(1), _Counted(answered)))
        assert servable.engines.plain is None
        yield Headed(plain=plain, servable=servable, tried=tried, answered=answered)


class _Counted:
    """Counts calls by engine."""

    def __init__(self, answered: Counter[str]) -> None:
        self._answered = answered

    def engine_calls(self, _model: str, _version: int, engine: str) -> Callable[[], object]:
        return lambda: self._answered.update([engine])

    def engine_chosen(self, *_what: object) -> None:
        pass


def _tried(path: Path, plain: SavedModelServable, group: Group, flat: FrozenGraph) -> TriedBody:
    index = GraphIndex(graph_state.read_meta_graph(path / "saved_model.pb", _TAGS).graph_def)
    infos = {info.name: info for each in plain.signatures.values() for info in each.inputs.values()}
    run = plain.resolve(*group.step)
    answered = [
        Answered(example=each, answers=run(each, 0)) for each in examples(plain.signatures, group.step, path, index)
    ]
    trial = BodyTrial(openvino.load(), EngineSettings(threads=1), b"", plain.executor, TOLERANCE)
    feeds = [infos[name] for name in group.step.feeds]
    return trial.tried(group.step, feeds, with_weights(flat), answered, exact=False)


def _verdict(tried: TriedBody, flat: FrozenGraph) -> StepVerdict:
    assert tried.head is not None
    head = os.memfd_create("head")
    os.write(head, tried.head)
    part = OpenVinoPart(plan=tried.plan, table=_ALWAYS, difference=tried.difference, blob=tried.blob, head=head)
    background = TensorFlowPart(graph=flat, optimized=False, seconds=0.0, difference=0.0)
    return StepVerdict(plain_seconds=1.0, example=None, tensorflow=background, openvino=part)
