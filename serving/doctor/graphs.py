"""What a SavedModel's graph says without being loaded: tags, signatures, files that it names, engines to try."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from serving.codecs.protobuf import signature_def
from serving.core import version_files
from serving.core.signature import DEFAULT_SIGNATURE_NAME, LOADER_SIGNATURES
from serving.doctor.finding import Finding, fails, megabytes, ok, warning
from serving.doctor.versions import Version
from serving.errors import ServingError
from serving.loading.model_kinds import ModelKind
from serving.optimizing import candidates, optimize_stage, qualifying
from serving.optimizing.candidates import NotOptimizedError
from serving.optimizing.policy import Policy
from serving.protos import POOL, ConfigProto, message
from serving.servables import model_files, saved_model_config

SavedModel = message("tensorflow.SavedModel")

_MOST_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A version's MetaGraphDef with the tags that are asked for."""

    version: Version
    meta_graph: Any

    @property
    def named(self) -> list[str]:
        """Its signatures, those for the loader apart, the default one first."""
        names = [name for name in self.meta_graph.signature_def if not name.startswith(LOADER_SIGNATURES)]
        return sorted(names, key=lambda each: (each != DEFAULT_SIGNATURE_NAME, each))


def look(version: Version, tags: tuple[str, ...]) -> tuple[Graph | None, list[Finding]]:
    """The graph of a version whose files are there, None if it is no SavedModel or cannot be read, and its rows."""
    if version.kind is not ModelKind.SAVED_MODEL:
        return None, [ok(version.what, f"{version.kind.value} in {version.path}, {megabytes(version.bytes)}")]
    try:
        saved_model = _read(version)
    except (DecodeError, text_format.ParseError) as error:
        found = f"{_file(version)}: the SavedModel cannot be parsed ({error}): it is cut off, or something else"
        return None, [fails(version.what, found, "Copy the model again.")]
    with_tags = [each for each in saved_model.meta_graphs if set(each.meta_info_def.tags) == set(tags)]
    if not with_tags:
        return None, [_other_tags(version, saved_model, tags)]
    graph = Graph(version=version, meta_graph=with_tags[0])
    return graph, [*_files(graph), *_signatures(graph)]


def _read(version: Version) -> Any:
    file = _file(version)
    if file.name == version_files.SAVED_MODEL:
        return SavedModel.FromString(file.read_bytes())
    text = file.read_text("utf-8", "replace")
    return text_format.Parse(text, SavedModel(), descriptor_pool=POOL)


def _file(version: Version) -> Path:
    """The one that is read."""
    binary, text = (version.path / name for name in version_files.SAVED_MODELS)
    return binary if binary.exists() else text


def _other_tags(version: Version, saved_model: Any, tags: tuple[str, ...]) -> Finding:
    there = [",".join(each.meta_info_def.tags) for each in saved_model.meta_graphs]
    has = " or ".join(f"'{each}'" for each in there) or "no graph at all"
    found = f"has no graph with the tags '{','.join(tags)}' (--saved_model_tags); it has {has}"
    advice = f"Give --saved_model_tags={there[0]}" if there else "Export the model again."
    return fails(version.what, found, advice)


def _files(graph: Graph) -> Iterator[Finding]:
    path = graph.version.path
    try:
        data = graph.meta_graph.SerializeToString()
        model_files.check(path, data, restored=model_files.has_checkpoint(path))
    except ServingError as error:
        yield fails(graph.version.what, error.message, "Copy the whole directory again, with variables/ and assets/.")


def _signatures(graph: Graph) -> Iterator[Finding]:
    version, names = graph.version, graph.named
    if not names:
        advice = 'tf.saved_model.save(module, path, signatures={"serving_default": function}) writes one.'
        yield warning(version.what, "has no signature that can be called", advice)
        return
    shown = ", ".join(names[:_MOST_SHOWN]) + (f" and {len(names) - _MOST_SHOWN} more" if names[_MOST_SHOWN:] else "")
    found = f"SavedModel in {version.path}, {megabytes(version.bytes)}; {len(names)} signature(s): {shown}"
    if DEFAULT_SIGNATURE_NAME not in names:
        advice = f"Clients have to name a signature, such as {names[0]}: there is no {DEFAULT_SIGNATURE_NAME}."
        yield ok(version.what, found, advice)
    else:
        yield ok(version.what, found)


def engines(graph: Graph, policy: Policy, available: int | None) -> Finding:
    """What would be tried to make the version faster, or why nothing would; TensorFlow's library is loaded for it."""
    what = f"engine of {graph.version.id.name} version {graph.version.id.version}"
    try:
        candidates.check_sizes(optimize_stage.sizes_of(graph.version.path, available), policy.max_weights_bytes)
        _check_optimiser(graph, policy)
        signatures = signature_def.decode_all(graph.meta_graph.signature_def)
        qualified = qualifying.of_meta_graph(graph.meta_graph, signatures)
    except NotOptimizedError as reason:
        return ok(what, f"TensorFlow, as it is saved: {reason}")
    except ServingError as error:  # without TensorFlow there are no engines either
        return warning(what, error.message)
    answered = [name for group in qualified.groups for name in group.answered]
    found = f"{_tried(policy)} would be tried for {', '.join(answered[:_MOST_SHOWN])}"
    return ok(what, found + _refused(qualified.refused))


def _check_optimiser(graph: Graph, policy: Policy) -> None:
    config = ConfigProto.FromString(saved_model_config.merged(graph.version.path, policy.options.session_config))
    if config.graph_options.rewrite_options.disable_meta_optimizer:
        raise NotOptimizedError("its configuration turns TensorFlow's graph optimiser off")


def _tried(policy: Policy) -> str:
    tried = [f"OpenVINO in {policy.openvino.value}"] if policy.openvino is not None else []
    tried += ["TensorFlow's optimised graph"] if policy.tensorflow else []
    return " and ".join(tried)


def _refused(refused: Mapping[str, str]) -> str:
    return "".join(f"; not for {name}: {reason}" for name, reason in list(refused.items())[:_MOST_SHOWN])
