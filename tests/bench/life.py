"""What happens over a server's life: its start, its memory, and what small calls feel of a large model loading."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.bench import models
from tests.bench.asking import Question, await_answer, check, states
from tests.bench.load import Call
from tests.bench.payloads import Form
from tests.bench.probe import Probe
from tests.bench.progress import Progress
from tests.bench.results import BenchError, Failure, Figure, Names, Outcome, Row, Target, percentile, row
from tests.bench.scenarios import OPTIMIZE_LEVELS
from tests.bench.servers import Program, Server, serving
from tests.bench.settings import Settings

_SMALL = Question(model="half_plus_two", form=Form.JSON)
_LARGE = Question(model="resnet", form=Form.GRPC)

START = "half_plus_two, start"
VERSIONS = "ResNet-50 and half_plus_two in one server"

_FRAMEWORK_STARTS = 1
_QUIET_SECONDS = 5.0
_START_STEP_SECONDS = 2.0
_LOAD_STEP_SECONDS = 8.0
_LOAD_SECONDS = 180.0
_LOOK_AGAIN_SECONDS = 0.1
_CONFIG = """model_config_list {{
  config {{ name: "half_plus_two" base_path: "{small}" model_platform: "tensorflow" }}
  config {{ name: "resnet" base_path: "{large}" model_platform: "tensorflow" }}
}}
"""


def start(settings: Settings, progress: Progress) -> Outcome:
    """Process start to first answer, and memory then: ours, the bare loop, and Flask."""
    outcome = Outcome()
    base = settings.models / _SMALL.model
    values = {"base": str(base), "version": str(base / models.VERSION)}
    ours = serving("ours", "--model_name=half_plus_two", "--model_base_path={base}")
    bare = Program(name="bare httptools loop", arguments=("tests.bench.baselines.rest_lane", "{version}", "{rest}"))
    flask = Program(name="Flask", arguments=("tests.bench.baselines.flask_app", "{version}", "{rest}"))
    programs = [ours, bare] * settings.rounds + [flask] * _FRAMEWORK_STARTS
    seconds: dict[str, list[float]] = {}
    resident: dict[str, list[float]] = {}
    for program in programs:
        progress.begin(f"start, {program.name}", _START_STEP_SECONDS)
        try:
            with Server(program, values, None, settings.work) as server:
                await_answer(_SMALL, server.address, server.check_alive)
                seconds.setdefault(program.name, []).append(time.monotonic() - server.began)
                resident.setdefault(program.name, []).append(server.resident_mb())
        except (BenchError, OSError) as error:
            outcome.failures.append(Failure(scenario="start", what=program.name, why=str(error)))
    outcome.rows = [
        *_standing(START, "first answer", "s", seconds, Target(bound=1.0, at_least=False)),
        *_standing(START, "resident", "MB", resident, Target(bound=366.0, at_least=False)),
    ]
    return outcome


def start_seconds(settings: Settings) -> float:
    """About how long that takes."""
    return (2 * settings.rounds + _FRAMEWORK_STARTS) * _START_STEP_SECONDS


def _standing(
    scenario: str, load: str, unit: str, found: Mapping[str, Sequence[float]], target: Target
) -> Iterator[Row]:
    """Ours alone against the target, then against each of the others by medians."""
    if "ours" in found:
        alone = Names(scenario=scenario, load=load, unit=unit, ours="ours")
        yield row(alone, found["ours"], (), Figure.VALUE, target)
        for name, values in found.items():
            if name != "ours":
                names = Names(scenario=scenario, load=load, unit=unit, ours="ours", baseline=name)
                yield row(names, [median(found["ours"])], [median(values)], Figure.RATIO, None)


def versions(settings: Settings, progress: Progress) -> Outcome:
    """Memory of each level of optimisation; and, as the server is by default, version changes under small calls."""
    outcome = Outcome()
    resident: dict[str, float] = {}
    for level in OPTIMIZE_LEVELS:
        progress.begin(f"versions, {level}: the first version", _LOAD_STEP_SECONDS)
        try:
            with _both_models(settings, level) as (server, base):
                resident[level] = server.resident_mb()
                if level == "safe":
                    outcome.rows += _changes(settings, progress, server, base)
        except (BenchError, OSError) as error:
            outcome.failures.append(Failure(scenario="versions", what=level, why=str(error)))
    outcome.rows = [*_by_level(resident), *outcome.rows]
    return outcome


def versions_seconds(settings: Settings) -> float:
    """About how long that takes."""
    return _QUIET_SECONDS + (len(OPTIMIZE_LEVELS) + settings.changes) * _LOAD_STEP_SECONDS


def _by_level(resident: Mapping[str, float]) -> Iterator[Row]:
    target = Target(bound=1.25, at_least=False)
    for level in resident:
        if level != "off" and "off" in resident:
            names = Names(scenario=VERSIONS, load="resident, one version", unit="MB", ours=level, baseline="off")
            yield row(names, [resident[level]], [resident["off"]], Figure.RATIO, target)


@contextmanager
def _both_models(settings: Settings, level: str) -> Iterator[tuple[Server, Path]]:
    """A server that has answered for both models, and the directory of the large one's versions."""
    base = settings.work / f"resnet-{level}"
    _add_version(settings, base, 1)
    config = settings.work / f"{level}.config"
    config.write_text(_CONFIG.format(small=settings.models / _SMALL.model, large=base))
    program = serving(level, f"--optimize={level}", f"--model_config_file={config}", one_core=False)
    with Server(program, {}, None, settings.work) as server:
        await_answer(_SMALL, server.address, server.check_alive)
        check(_LARGE, server.address)
        yield server, base


def _add_version(settings: Settings, base: Path, version: int) -> None:
    """One more version, whole at once: copied beside, then renamed."""
    base.mkdir(exist_ok=True)
    copy = base / "copy"
    shutil.copytree(settings.models / _LARGE.model / models.VERSION, copy)
    copy.rename(base / str(version))


def _changes(settings: Settings, progress: Progress, server: Server, base: Path) -> list[Row]:
    body = settings.work / "probe.json"
    body.write_bytes(_SMALL.body())
    before = server.resident_mb()
    loads: list[tuple[float, float]] = []
    with Probe(_SMALL.url(server.address), body, settings.work) as probe:
        began = time.time()
        progress.begin("versions, safe: quiet", _QUIET_SECONDS)
        time.sleep(_QUIET_SECONDS)
        for version in range(2, settings.changes + 2):
            progress.begin(f"versions, safe: change {version - 1} of {settings.changes}", _LOAD_STEP_SECONDS)
            loads.append(_change(settings, server, base, version))
    after = server.resident_mb()
    names = Names(
        scenario=VERSIONS, load=f"resident, {settings.changes} changes", unit="MB", ours="after", baseline="before"
    )
    memory = row(names, [after], [before], Figure.RATIO, Target(bound=1.1, at_least=False))
    quiet = within(probe.calls, [(began, began + _QUIET_SECONDS)])
    return [memory, *loading_rows(quiet, within(probe.calls, loads))]


def _change(settings: Settings, server: Server, base: Path, version: int) -> tuple[float, float]:
    """Add a version and wait until it serves alone; from when to when that was, in seconds since 1970."""
    began = time.time()
    _add_version(settings, base, version)
    deadline = time.monotonic() + _LOAD_SECONDS
    while not _serves_alone(server, version):
        server.check_alive()
        if time.monotonic() > deadline:
            raise BenchError(f"version {version} was not loaded within {_LOAD_SECONDS:.0f} s")
        time.sleep(_LOOK_AGAIN_SECONDS)
    ended = time.time()
    check(_LARGE, server.address)
    return began, ended


def _serves_alone(server: Server, version: int) -> bool:
    return {number: state for number, state in states(server.address, _LARGE.model).items() if state != "END"} == {
        version: "AVAILABLE"
    }


def within(calls: Sequence[Call], spans: Sequence[tuple[float, float]]) -> list[float]:
    """Milliseconds of the calls that began in one of the spans."""
    return [call.ms for call in calls if any(began <= call.began < ended for began, ended in spans)]


def loading_rows(quiet: Sequence[float], loading: Sequence[float]) -> list[Row]:
    """How slow the slowest hundredth of small calls is while the large model loads, and how slow the worst is."""
    load = "small calls while it loads"
    names = Names(scenario=VERSIONS, load=load, unit="ms (p99)", ours="loading", baseline="quiet")
    worst = Names(scenario=VERSIONS, load=load, unit="ms (worst)", ours="loading", baseline="quiet")
    return [
        row(
            names,
            [percentile(loading, 0.99)],
            [percentile(quiet, 0.99)],
            Figure.RATIO,
            Target(bound=2.0, at_least=False),
        ),
        row(worst, [max(loading)], [max(quiet)], Figure.VALUE, Target(bound=20.0, at_least=False)),
    ]
