"""Runs every kind of costly requests on a server of its own, while probes ask for what must not wait."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from tests.bench.asking import Question, await_answer, check
from tests.bench.models import STRINGS
from tests.bench.payloads import Form
from tests.bench.progress import Progress
from tests.bench.results import BenchError, Failure, Outcome
from tests.bench.servers import Program, Server
from tests.bench.settings import Settings
from tests.bench.stall import figures
from tests.bench.stall.figures import Memory, Round, Sample, Span, waits, waits_under_load
from tests.bench.stall.kinds import KINDS
from tests.bench.stall.load import LAST_ANSWERS_SECONDS
from tests.bench.stall.probe import CONTROL, CONTROL_PACE_SECONDS, PACE_SECONDS, PROBES
from tests.bench.stall.processes import Load, Probe, available_mb, resident_mb
from tests.bench.stall.server import EVENTS, LOOP, Longest, stopwatches

MODELS = frozenset(("half_plus_two", STRINGS))

_WARM_SECONDS = 1.0
_QUIET_PART = 0.25
"""Of the time under load."""

_BETWEEN_SECONDS = 0.5
"""In which what was due in the quiet is answered, so that the load does not hold it up."""

_AFTER_SECONDS = 5.0
_AROUND_SECONDS = 12.0
_SLACK_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.05
_LEAST_AVAILABLE_MB = 1000.0
_CONFIG = """model_config_list {{
  config {{ name: "half_plus_two" base_path: "{models}/half_plus_two" model_platform: "tensorflow" }}
  config {{ name: "strings" base_path: "{models}/strings" model_platform: "tensorflow" }}
}}
"""
FLAGS = ("--port={grpc}", "--rest_api_port={rest}", "--model_config_file={config}")
_PROGRAM = Program(name="ours", arguments=("tests.bench.stall.server", "{waits}", *FLAGS), one_core=False)
_QUESTIONS = tuple(Question(model="half_plus_two", form=form) for form in (Form.JSON, Form.GRPC))


def stall(settings: Settings, progress: Progress) -> Outcome:
    """All kinds, or those that were named, round by round."""
    outcome = Outcome()
    found: dict[str, list[Round]] = {}
    for number in range(settings.rounds):
        for name in _names(settings):
            progress.begin(f"stall, {name}, round {number + 1} of {settings.rounds}", _round_seconds(settings))
            try:
                found.setdefault(KINDS[name].title, []).append(_round(name, settings))
            except (BenchError, OSError) as error:
                outcome.failures.append(Failure(scenario="stall", what=name, why=str(error)))
    if measured := {title: rounds for title, rounds in found.items() if rounds}:
        outcome.tables += figures.tables(measured, settings.stall_seconds)
    return outcome


def stall_seconds(settings: Settings) -> float:
    """About how long that takes."""
    return settings.rounds * len(_names(settings)) * _round_seconds(settings)


def _names(settings: Settings) -> Sequence[str]:
    return settings.stall_kinds or tuple(KINDS)


def _round_seconds(settings: Settings) -> float:
    return settings.stall_seconds * (1 + _QUIET_PART) + _AFTER_SECONDS + _AROUND_SECONDS


class _Seen(NamedTuple):
    """What the benchmark's own process saw of a round; ``last`` is when the load had its last answer."""

    quiet: Span
    loaded: Span
    last: float
    memory: Memory
    ended: Mapping[str, int]


def _round(name: str, settings: Settings) -> Round:
    """One kind, on a server that was started for it and has done nothing else."""
    config, file = settings.work / "stall.config", settings.work / "waits"
    config.write_text(_CONFIG.format(models=settings.models))
    longest = stopwatches(file)
    probes: dict[str, Probe] = {}
    with Server(_PROGRAM, {"config": str(config), "waits": str(file)}, None, settings.work) as server:
        for question in _QUESTIONS:
            await_answer(question, server.address, server.check_alive)
        with ExitStack() as stack:
            load = stack.enter_context(Load(name, server.address, settings.stall_seconds))
            for each in (*PROBES, CONTROL):
                probes[each] = stack.enter_context(Probe(each, server.address, settings.work))
            for client in (load, *probes.values()):
                client.line()
            seen = _observe(server, load, longest, settings.stall_seconds)
        for question in _QUESTIONS:
            check(question, server.address)
    return _figures(seen, {each: probe.samples for each, probe in probes.items()}, longest)


def _observe(server: Server, load: Load, longest: Longest, seconds: float) -> _Seen:
    """Quiet, then the load, then a while without it."""
    time.sleep(_WARM_SECONDS)
    quiet = _span(seconds * _QUIET_PART)
    time.sleep(quiet[1] - quiet[0] + _BETWEEN_SECONDS)
    before = resident_mb(server.process.pid)
    longest[LOOP] = longest[EVENTS] = 0.0
    loaded = _span(seconds)
    load.begin()
    peak, deadline = before, loaded[1] + LAST_ANSWERS_SECONDS + _SLACK_SECONDS
    while load.process.poll() is None:
        if time.monotonic() > deadline:
            raise BenchError("the load did not end in time")
        peak = max(peak, resident_mb(server.process.pid))
        server.check_alive()
        if available_mb() < _LEAST_AVAILABLE_MB:
            raise BenchError(f"the machine's memory is used up, of it by the server {peak:,.0f} MB")
        time.sleep(_LOOK_AGAIN_SECONDS)
    last = time.monotonic()
    time.sleep(_AFTER_SECONDS)
    memory = Memory(before=before, peak=peak, after=resident_mb(server.process.pid))
    return _Seen(quiet, loaded, last, memory, load.counts())


def _span(seconds: float) -> Span:
    now = time.monotonic()
    return now, now + seconds


def _figures(seen: _Seen, samples: Mapping[str, Sequence[Sample]], longest: Longest) -> Round:
    return Round(
        quiet={name: waits(samples[name], seen.quiet, PACE_SECONDS) for name in PROBES},
        loaded={name: waits_under_load(samples[name], seen.loaded, seen.last, PACE_SECONDS) for name in PROBES},
        control=waits_under_load(samples[CONTROL], seen.loaded, seen.last, CONTROL_PACE_SECONDS).worst,
        loop=float(longest[LOOP]) * 1e3,
        events=float(longest[EVENTS]) * 1e3,
        ended=seen.ended,
        memory=seen.memory,
    )
