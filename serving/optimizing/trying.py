"""What is tried for a version, in which order, and what is found: processes that freeze it and try engines on it.

OpenVINO first, for where it gains at all it gains most; TensorFlow's own optimised graph where that leaves something.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from serving.openvino import library as openvino
from serving.openvino.compiling import Numbers
from serving.optimizing.candidates import Group, NotOptimizedError
from serving.optimizing.choice import Engine
from serving.optimizing.freezing import FrozenGraph, Kind, Model, frozen
from serving.optimizing.process import Answer, Children
from serving.optimizing.verdict import StepVerdict, TensorFlowPart, Verdict, all_won, openvino_from, read_example

_CLEAR_RATIO = 0.8
"""Where OpenVINO takes no more than this of the time in every cell, TensorFlow's is not tried: it gains less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a version is tried.

    ``config`` is the server's ConfigProto, serialised; ``threads`` are those that a model computes with; ``rows`` are
    measured; ``numbers`` are OpenVINO's, None if it is not to be tried; ``tolerance`` is for its answers and those of
    TensorFlow's optimised graph, which is tried if ``tensorflow``.
    """

    config: bytes
    threads: int
    rows: tuple[int, ...]
    numbers: Numbers | None
    tensorflow: bool
    tolerance: float
    max_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trier:
    """Tries one version: ``model`` is what the child freezes; ``given_up`` tells that nobody waits any more.

    ``every_signature``: the groups answer all that the model has, so that it can do without the graph as saved.
    """

    children: Children
    model: Model
    groups: Sequence[Group]
    terms: Terms
    every_signature: bool
    given_up: Callable[[], bool]

    def verdict(self) -> Verdict:
        """Block until all is tried. Raises NotOptimizedError if nothing came of it."""
        flat = self._flat()
        try:
            try:
                trial = self._tried(flat, None)
            except NotOptimizedError as reason:
                if reason.expected or not self.terms.tensorflow or not any(map(_is_graph, flat)):
                    raise
                _close(flat)  # an engine may end the whole process, and then the other one is tried without it
                flat = [str(reason) for _ in flat]
                with closing(self._tried(flat, None)) as trial:
                    return replace(self._with_tensorflow(trial, flat), lasting=False)
            with closing(trial):
                return self._with_tensorflow(trial, flat)
        finally:
            _close(flat)

    def _with_tensorflow(self, trial: "_Trial", flat: list[FrozenGraph | str]) -> Verdict:
        """The verdict once TensorFlow's own optimised graph has been tried as well, if that may change it."""
        if all_won(trial.verdict, _CLEAR_RATIO):
            return trial.with_flat(flat) if self.every_signature else trial.taken()
        if not self.terms.tensorflow:
            return trial.taken()
        try:
            optimized = self._optimized(trial.examples)
            if not any(map(_is_graph, optimized)):
                return trial.with_reasons([str(each) for each in optimized])
            again = self._tried(flat, optimized)
        except NotOptimizedError as reason:
            if reason.expected:
                raise
            return trial.with_reasons([str(reason) for _ in self.groups], lasting=False)
        with closing(again):
            return again.taken()

    def _flat(self) -> list[FrozenGraph | str]:
        if self.terms.numbers is None:
            return ["" for _ in self.groups]
        if openvino.libraries() is None:
            reason = "OpenVINO would be tried if the package openvino were installed"
            return [reason for _ in self.groups]
        return frozen(self.children, self.model, self.groups, Kind.FLAT, given_up=self.given_up)

    def _optimized(self, examples: Sequence[Sequence[str] | None]) -> Sequence[FrozenGraph | str]:
        wanted = [index for index, example in enumerate(examples) if example is not None]
        if not wanted:
            return ["" for _ in examples]
        made = frozen(
            self.children,
            self.model,
            [self.groups[index] for index in wanted],
            Kind.OPTIMIZED,
            examples=[examples[index] or () for index in wanted],
            max_files=self.terms.max_files,
            given_up=self.given_up,
        )
        found = dict(zip(wanted, made, strict=True))
        return [found.get(index, "") for index in range(len(examples))]

    def _tried(self, flat: Sequence[FrozenGraph | str], optimized: Sequence[FrozenGraph | str] | None) -> "_Trial":
        optimized = optimized or ["" for _ in self.groups]
        graphs = [each for each in (*flat, *optimized) if isinstance(each, FrozenGraph)]
        steps = [
            {
                "feeds": group.step.feeds,
                "fetches": group.step.fetches,
                "flat": one.files if isinstance(one, FrozenGraph) else None,
                "optimized": other.files if isinstance(other, FrozenGraph) else None,
            }
            for group, one, other in zip(self.groups, flat, optimized, strict=True)
        ]
        numbers = self.terms.numbers or Numbers.FLOAT32
        request = {
            **self.model.facts(),
            "config": base64.b64encode(self.terms.config).decode(),
            "threads": self.terms.threads,
            "numbers": numbers.value,
            "rows": self.terms.rows,
            "tolerance": self.terms.tolerance,
            "steps": steps,
        }
        files = [fd for graph in graphs for fd in graph.files]
        try:
            answer = self.children.ask(self.children.programs.trying, request, files, given_up=self.given_up)
        except BaseException:
            _close(optimized)
            raise
        return _Trial(answer, flat, optimized)


class _Trial:
    """What a trial has answered; it owns the files until they are ``taken``."""

    def __init__(
        self, answer: Answer, flat: Sequence[FrozenGraph | str], optimized: Sequence[FrozenGraph | str]
    ) -> None:
        self.examples: list[Sequence[str] | None] = []
        self._flat_agrees = [bool(part.get("flat")) for part in answer.facts["parts"]]
        files = iter(answer.files)
        parts = zip(answer.facts["parts"], flat, optimized, strict=True)
        self.verdict = Verdict(steps=tuple(self._step(part, files, one, other) for part, one, other in parts))
        self._taken = False

    def taken(self) -> Verdict:
        """The verdict, whose files are the caller's from now on."""
        self._taken = True
        return self.verdict

    def with_flat(self, graphs: list[FrozenGraph | str]) -> Verdict:
        """The same with ``graphs`` in place of TensorFlow's as saved, whose files it takes: they need less memory."""
        if all(isinstance(each, FrozenGraph) for each in graphs) and all(self._flat_agrees):
            steps = [
                replace(step, tensorflow=TensorFlowPart(graph=graph, optimized=False, seconds=0.0, difference=0.0))
                for step, graph in zip(self.verdict.steps, graphs, strict=True)
                if isinstance(graph, FrozenGraph)
            ]
            self.verdict = replace(self.verdict, steps=tuple(steps))
            graphs[:] = ["" for _ in graphs]
        return self.taken()

    def with_reasons(self, reasons: Sequence[str], *, lasting: bool = True) -> Verdict:
        """The same; more reasons, one for each step, come to those that there are."""
        steps = [
            replace(step, reasons=tuple(filter(None, (*step.reasons, reason))))
            for step, reason in zip(self.verdict.steps, reasons, strict=True)
        ]
        self.verdict = replace(self.verdict, steps=tuple(steps), lasting=lasting and self.verdict.lasting)
        return self.taken()

    def close(self) -> None:
        """Close the files if they were not taken."""
        if not self._taken:
            self.verdict.close()

    def _step(
        self, part: dict[str, Any], files: Iterator[int], flat: FrozenGraph | str, optimized: FrozenGraph | str
    ) -> StepVerdict:
        if "error" in part:
            self.examples.append(None)
            _close([optimized])
            return StepVerdict(
                plain_seconds=0.0,
                example=None,
                tensorflow=None,
                openvino=None,
                reasons=(part["error"],),
            )
        example = next(files)
        self.examples.append(read_example(example).inputs)
        reasons = [each for each in (flat, optimized) if isinstance(each, str) and each]
        for key, name in (("openvino", "OpenVINO"), ("optimized", "TensorFlow's optimised graph")):
            if "error" in part.get(key, ()):
                reasons.append(f"{name}: {part[key]['error']}")
        facts = part.get("openvino", {"error": ""})
        body = None if "error" in facts else openvino_from(facts, files)
        if body is not None and body.table.engines == {Engine.TENSORFLOW}:
            reasons.append(f"OpenVINO gains too little: {body.table}")
            body.close()
            body = None
        return StepVerdict(
            plain_seconds=part["plain_seconds"],
            example=example,
            openvino=body,
            tensorflow=_optimized(part.get("optimized"), optimized),
            reasons=tuple(reasons),
        )


def _optimized(facts: dict[str, Any] | None, graph: FrozenGraph | str) -> TensorFlowPart | None:
    """The graph with what was found of it; one that is not better is closed."""
    if facts is None or isinstance(graph, str):
        return None
    if "error" in facts:
        graph.close()
        return None
    return TensorFlowPart(graph=graph, optimized=True, seconds=facts["seconds"], difference=facts["difference"])


def _is_graph(graph: FrozenGraph | str) -> bool:
    return isinstance(graph, FrozenGraph)


def _close(graphs: Sequence[FrozenGraph | str]) -> None:
    for graph in graphs:
        if isinstance(graph, FrozenGraph):
            graph.close()
