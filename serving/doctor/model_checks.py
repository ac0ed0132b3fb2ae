"""The configured models, one after the other: base path, files of each version, graph, engines, and memory for all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from serving.configuration import batching_config
from serving.configuration.model_config import PLATFORM, ModelConfig, check_platforms
from serving.configuration.session_config import Sessions
from serving.core.servable import ServableId
from serving.core.store_url import StoreUrl
from serving.core.version_files import BATCHING_PARAMETERS
from serving.doctor import base_paths, graphs, machine
from serving.doctor.config_files import Named
from serving.doctor.finding import Finding, fails, ok
from serving.doctor.graphs import Graph
from serving.doctor.machine import Machine
from serving.doctor.versions import Version
from serving.errors import ServingError
from serving.optimizing.policy import policy_of
from serving.servables import custom_ops, gpu
from serving.servables.gpu import Gpus
from serving.servables.saved_model import SavedModelOptions
from serving.settings import Settings
from serving.sources.scan import scan

_NO_GPUS = Gpus(expected=False)

_MOST_PARSED_BYTES = 2**24
"""Of the graph that is read beside requests: parsing holds the interpreter's lock for some tens of milliseconds."""


@dataclass(slots=True)
class Looked:
    """What a look at models gave beside rows: the graphs that could be read, and bytes of files by version."""

    graphs: list[Graph] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)


def look(named: Named, sessions: Sessions, looked: Looked, *, read: bool = True) -> list[Finding]:
    """Rows for one model, without TensorFlow's library; graphs are left alone unless ``read``. Adds to ``looked``."""
    versions, findings = base_paths.look(named, sessions.settings)
    findings = [*_platform(named.model, sessions.platforms), *findings]
    for number, path in versions.items():
        servable_id = ServableId(name=named.model.name, version=number)
        version = Version(id=servable_id, path=path, prefer_tflite=sessions.settings.prefer_tflite_model)
        wrong = version.wrong()
        findings += wrong
        if read and not wrong:
            findings += _of_graph(version, sessions, looked)
    return findings


def look_at_version(model: ModelConfig, number: int, sessions: Sessions) -> list[Finding]:
    """Rows for one version of a server that serves, whose interpreter must not be held for long; none if it is gone."""
    base = model.base_path
    path = None if isinstance(base, StoreUrl) else (scan(base, model.policy).versions or {}).get(number)
    if path is None:
        return []
    servable_id = ServableId(name=model.name, version=number)
    version = Version(id=servable_id, path=path, prefer_tflite=sessions.settings.prefer_tflite_model)
    wrong = version.wrong()
    if wrong or version.bytes - version.weights > _MOST_PARSED_BYTES:
        return wrong
    return graphs.look(version, sessions.tags)[1]


def _platform(model: ModelConfig, platforms: frozenset[str]) -> Iterator[Finding]:
    try:
        check_platforms([model], platforms)
    except ServingError as error:
        advice = f'Write model_platform: "{PLATFORM}"' if platforms else "See --platform_config_file: it has none."
        yield fails(f"model {model.name}", error.message, advice)


def _of_graph(version: Version, sessions: Sessions, looked: Looked) -> list[Finding]:
    graph, findings = graphs.look(version, sessions.tags)
    looked.sizes[f"{version.id.name} version {version.id.version}"] = version.bytes
    if graph is not None:
        looked.graphs.append(graph)
    return [*findings, *_batching(version, sessions.settings)]


def _batching(version: Version, settings: Settings) -> Iterator[Finding]:
    """The parameters that a version brings along, where they count."""
    if settings.enable_batching and settings.enable_per_model_batching_parameters:
        try:
            parameters = batching_config.of_version(version.path, 1)
            if parameters is not None:
                parameters.queue_options()
        except ServingError as error:
            yield fails(version.what, f"{BATCHING_PARAMETERS}: {error.message}", "Correct it, or take it away.")


def with_library(looked: Looked, sessions: Sessions, machine_here: Machine) -> list[Finding]:
    """What TensorFlow's library tells: custom operations, GPUs, what would be tried for each graph."""
    settings = sessions.settings
    findings = list(_custom_operations(settings.custom_op_libraries))
    gpus = _NO_GPUS
    try:
        gpus = gpu.find_gpus(bytes(sessions.config.SerializeToString()))
        findings.append(machine.gpus(gpus, required=settings.require_gpu))
    except ServingError as error:
        findings.append(fails("TensorFlow", f"makes no session: {error.message}"))
    if gpus.names:
        return [*findings, ok("engines", "TensorFlow, as models are saved: they run on GPUs")]
    return [*findings, *_engines(looked.graphs, sessions, machine_here)]


def _custom_operations(libraries: str) -> Iterator[Finding]:
    if libraries:
        try:
            custom_ops.load_custom_ops(custom_ops.named_by(libraries))
            yield ok("custom operations", f"{libraries} can be loaded")
        except ServingError as error:
            yield fails("custom operations", error.message, "See --custom_op_libraries.")


def _engines(read: Iterable[Graph], sessions: Sessions, machine_here: Machine) -> Iterator[Finding]:
    options = SavedModelOptions(tags=sessions.tags, session_config=bytes(sessions.config.SerializeToString()))
    try:
        policy = policy_of(sessions.settings, options, machine_here.cpuinfo, machine_here.cpus, usual_rows=0)
    except ServingError as error:
        yield fails("--optimize", error.message)
        return
    if policy is None:
        yield ok("engines", "TensorFlow, as models are saved (--optimize=off)")
        return
    for graph in read:
        yield graphs.engines(graph, policy, machine_here.available_bytes)


def memory(looked: Looked, settings: Settings, machine_here: Machine) -> Iterator[Finding]:
    """One row for all versions together."""
    weights = [graph.version.weights for graph in looked.graphs if settings.optimize != "off"]
    optimized = sum(each for each in weights if each <= settings.optimize_max_weights_bytes)
    if looked.sizes:
        yield machine.memory(looked.sizes, optimized, machine_here.available_bytes)
