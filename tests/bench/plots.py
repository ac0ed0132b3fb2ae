"""The plots as SVG files: throughput against concurrency, latencies, batching, and levels of optimisation.

matplotlib is imported when something is drawn; the same figures give the same file, so that a diff tells something.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.results import Key, Measurement
from tests.bench.scenarios import OPTIMIZE_LEVELS, OURS, Scenario

Measured = Mapping[Key, Sequence[Measurement]]

_SIZE_INCHES = (6.4, 4.0)


def draw(found: Mapping[str, tuple[Scenario, Measured]], directory: Path) -> list[tuple[str, str]]:
    """Draw what ``found``, scenarios by name with what was measured, has the figures for; titles and file names."""
    drawn = []
    for name, (scenario, measured) in found.items():
        if not measured:
            continue
        if name in ("rest", "grpc", "batching"):
            drawn.append(
                _draw(directory, f"{name}-throughput", f"{scenario.title}: throughput", _throughput, scenario, measured)
            )
        if name in ("rest", "grpc"):
            drawn.append(
                _draw(directory, f"{name}-latency", f"{scenario.title}: latency", _latency, scenario, measured)
            )
        if name == "frameworks":
            drawn.append(_draw(directory, name, scenario.title, _frameworks, scenario, measured))
        if name == "resnet":
            drawn.append(_draw(directory, name, f"{scenario.title}: time of a call", _optimize, scenario, measured))
    return drawn


def draw_ratios(found: Sequence[tuple[str, str, float]], directory: Path) -> list[tuple[str, str]]:
    """Draw ratios by model and load, if there are any; titles and file names."""
    title = "Engines: time per row over gRPC, to the same server with the baseline's flags"
    return [_saved(directory, "engines", title, lambda axes: _ratios(axes, found))] if found else []


def _draw(
    directory: Path,
    name: str,
    title: str,
    fill: Callable[[Any, Scenario, Measured], None],
    scenario: Scenario,
    measured: Measured,
) -> tuple[str, str]:
    return _saved(directory, name, title, lambda axes: fill(axes, scenario, measured))


def _saved(directory: Path, name: str, title: str, fill: Callable[[Any], None]) -> tuple[str, str]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "bench"
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, wrap=True)
    axes.grid(visible=True, axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    fill(axes)
    directory.mkdir(parents=True, exist_ok=True)
    figure.savefig(directory / f"{name}.svg", metadata={"Date": None})
    return title, f"{name}.svg"


def _names(measured: Measured) -> list[str]:
    return list(dict.fromkeys(name for name, _ in measured))


def _throughput(axes: Any, scenario: Scenario, measured: Measured) -> None:
    for name in _names(measured):
        levels = [level for level in scenario.levels if (name, level) in measured]
        axes.plot(levels, [median(m.throughput for m in measured[name, level]) for level in levels], "o-", label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(scenario.levels, [str(level) for level in scenario.levels])
    axes.set(xlabel=scenario.unit, ylabel="requests per second")
    axes.set_ylim(bottom=0)
    axes.legend()


def _latency(axes: Any, scenario: Scenario, measured: Measured) -> None:
    level = scenario.levels[len(scenario.levels) // 2]
    names = [name for name in _names(measured) if (name, level) in measured]
    for offset, (label, read) in enumerate({"p50": lambda m: m.p50_ms, "p99": lambda m: m.p99_ms}.items()):
        places = [at + (offset - 0.5) * 0.4 for at in range(len(names))]
        axes.bar(places, [median(map(read, measured[name, level])) for name in names], 0.4, label=label)
    axes.set_yscale("log")
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axes.set(ylabel=f"milliseconds, {scenario.unit} {level}")
    axes.legend()


def _optimize(axes: Any, scenario: Scenario, measured: Measured) -> None:
    level = scenario.levels[0]
    names = [name for name in _names(measured) if (name, level) in measured]
    heights = [median(m.p50_ms for m in measured[name, level]) for name in names]
    ours = [name.partition(",")[0] in OPTIMIZE_LEVELS for name in names]
    axes.bar(range(len(names)), heights, color=["tab:blue" if mine else "tab:gray" for mine in ours])
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set(ylabel=f"milliseconds (p50), {scenario.unit} {level}")


def _ratios(axes: Any, found: Sequence[tuple[str, str, float]]) -> None:
    models, loads = (list(dict.fromkeys(each[place] for each in found)) for place in (0, 1))
    width = 0.8 / len(loads)
    for offset, load in enumerate(loads):
        bars = [(models.index(model), ratio) for model, named, ratio in found if named == load]
        places = [at + (offset - (len(loads) - 1) / 2) * width for at, _ in bars]
        axes.bar(places, [ratio for _, ratio in bars], width, label=load)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(models)), models, rotation=20, ha="right")
    axes.set(ylabel="ours to baseline; less is faster")
    axes.figure.legend(loc="outside lower center", ncols=len(loads))


def _frameworks(axes: Any, scenario: Scenario, measured: Measured) -> None:
    """Bars to be read by whoever knows none of the words: the shorter the faster, each with its figure."""
    level = scenario.levels[0]
    names = [name for name in _names(measured) if (name, level) in measured]
    found = sorted((median(m.p50_ms for m in measured[name, level]), name) for name in names)
    axes.grid(visible=False)
    bars = axes.barh(
        [name for _, name in found],
        [ms for ms, _ in found],
        color=["tab:blue" if name.startswith(OURS) else "tab:gray" for _, name in found],
    )
    axes.bar_label(bars, [f" {ms:.0f} ms" if ms >= 10 else f" {ms:.1f} ms" for ms, _ in found])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(xlabel="milliseconds until the answer, median; shorter is better")
