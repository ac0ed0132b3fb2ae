"""What the metrics page reads of this server's own parts: what it is made of, its engines, its queues.

Each function makes a reader of the parts that it is given; nothing is counted here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from serving.core.manager import Manager
from serving.core.servable import ServableId
from serving.host import cpus
from serving.host.connections import open_connections
from serving.inference.limits import Limiter
from serving.inference.placement import Workers
from serving.inference.unsent import UnsentBytes
from serving.loading.batching_stage import BatchingStage
from serving.servables import libtensorflow
from serving.servables.threads import ModelThreads
from serving.telemetry.readings import Reader, Reading, by_label, single
from serving.telemetry.serving_metrics import ServingMetrics

_CPUINFO = Path("/proc/cpuinfo")
_BUILD = Path("/opt/serving/build.json")
"""What the image's TensorFlow was compiled for (docs/images.md, "build.json")."""

_TELLING = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni"),
    *("amx_bf16", "amx_int8", "asimd", "asimddp", "bf16", "sve"),
)
"""Of the hundred features of a CPU those that decide how fast a model is."""

_VERSION = ("model_name", "version")


def build(version: str) -> Reader:
    """``build_info``: 1, labelled with what the server of this ``version`` is made of and runs on; empty if absent."""

    @cache
    def lasting() -> dict[str, str]:
        import platform  # only once somebody asks

        cpuinfo = _CPUINFO.read_text() if _CPUINFO.exists() else ""
        return {
            "version": version,
            "openvino": _installed("openvino"),
            "python": platform.python_version(),
            "cpu_features": " ".join(each for each in _TELLING if each in cpus.features(cpuinfo)),
            "built_for": _built_for(_BUILD),
        }

    def read() -> tuple[Reading, ...]:
        labels = {**lasting(), "tensorflow": libtensorflow.version_if_loaded()}
        return (Reading(name="/serving/build_info", labels=tuple(labels), points=[(tuple(labels.values()), 1)]),)

    return read


def _installed(package: str) -> str:
    """The version of an installed package, empty without it; the package itself is not loaded."""
    from importlib import metadata  # only once somebody asks

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _built_for(path: Path) -> str:
    """The target and the CPU features of a build.json; empty outside an image."""
    try:
        facts = json.loads(path.read_text())
        return " ".join([str(facts["cpu_target"]), *map(str, facts["cpu_features"])])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def engines(manager: Manager, metrics: ServingMetrics) -> Reader:
    """1 for each engine that answers calls of an available version."""

    def read() -> Iterator[Reading]:
        chosen = {(*labels[:2], labels[-1]) for labels, _ in metrics.micros_by_engine.points()}
        known = {labels[:2] for labels in chosen}
        for name, leases in manager.serving.models.items():
            for version, lease in leases.items():
                if (name, str(version)) not in known:
                    chosen.add((name, str(version), getattr(lease.servable, "engine", "tensorflow")))
        yield Reading(
            name="/serving/version_engine", labels=(*_VERSION, "engine"), points=[(each, 1) for each in chosen]
        )

    return read


def queues(executor: ModelThreads, workers: Workers, unsent: UnsentBytes) -> Reader:
    """Calls on threads and those that wait for one, requests that take long to read or write, answers not taken."""

    def read() -> Iterator[Reading]:
        pools = dict(zip(("short", "any"), executor.pools, strict=True))
        yield by_label("/serving/calls_running", "threads", {name: pool.running for name, pool in pools.items()})
        yield by_label("/serving/calls_waiting", "threads", {name: pool.waiting for name, pool in pools.items()})
        yield single("/serving/long_requests", workers.under_way)
        yield single("/serving/unsent_bytes", unsent.bytes)

    return read


def batch_queues(manager: Manager, batching: BatchingStage) -> Reader:
    """Rows and batches that wait, of every available version."""

    def read() -> Iterator[Reading]:
        queued = batching.queued()
        ids = [
            ServableId(name=name, version=version)
            for name, leases in manager.serving.models.items()
            for version in leases
        ]
        found = [((each.name, str(each.version)), queued.get(each)) for each in ids]
        rows = [(labels, 0 if waiting is None else waiting.rows) for labels, waiting in found]
        batches = [(labels, 0 if waiting is None else waiting.batches) for labels, waiting in found]
        yield Reading(name="/serving/batch_queue_rows", labels=_VERSION, points=rows)
        yield Reading(name="/serving/batch_queue_batches", labels=_VERSION, points=batches)

    return read


def connections(ports: Mapping[str, int]) -> Reader:
    """Open TCP connections by ``entrypoint``; ``ports`` has those that are served, 0 for none."""
    served = {entrypoint: port for entrypoint, port in ports.items() if port}

    def read() -> Iterable[Reading]:
        found = open_connections(served.values())
        counts = {entrypoint: found[port] for entrypoint, port in served.items()}
        return [by_label("/serving/connections", "entrypoint", counts)]

    return read


def in_flight(limiter: Limiter) -> Reader:
    """Requests that hold a place and that wait for one, in all and by model, and the limit of each that has one."""

    def read() -> Iterable[Reading]:
        in_flight, waiting, models = limiter.counts()
        yield single("/serving/requests_in_flight", in_flight)
        yield single("/serving/requests_waiting", waiting)
        for position, name in enumerate(("in_flight", "waiting", "in_flight_limit")):
            of_model = {model: each[position] for model, each in models.items() if position < 2 or each[position]}
            yield by_label(f"/serving/model_{name}", "model_name", of_model)

    return read
