"""Writes a SessionBundle, the export of TensorFlow 0.x, as a SavedModel with the same signatures, values and assets.

usage: convert.py --session_bundle=models/old_digits/00000001 --saved_model=models/old_digits/2
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf
from google.protobuf.message import DecodeError

from serving.core.version_files import SESSION_BUNDLE
from serving.errors import ServingError
from serving.protos import message
from serving.servables import bundle_signatures
from serving.servables.bundle_files import BundleFiles, read_bundle
from serving.servables.bundle_signatures import BundleSignatures, GraphTensor

tf1 = tf.compat.v1
TensorInfo = message("tensorflow.TensorInfo")


class BundleError(Exception):
    """What cannot be converted; the text says why."""


def main() -> int:
    """Convert, and print what was written; 1 with a sentence if the bundle or the target will not do."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--session_bundle", type=Path, required=True, help="the directory that has export.meta")
    parser.add_argument("--saved_model", type=Path, required=True, help="the directory to write; must not exist")
    parser.add_argument("--allow_missing_assets", action="store_true", help="leave out files that are gone")
    arguments = parser.parse_args()
    tf1.logging.set_verbosity(tf1.logging.ERROR)
    try:
        convert(arguments.session_bundle, arguments.saved_model, arguments.allow_missing_assets)
    except BundleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def convert(source: Path, target: Path, allow_missing_assets: bool) -> None:
    """Read ``source`` and write ``target``, all of it or nothing. BundleError if either will not do."""
    if target.exists():
        raise BundleError(f"{target} is there already: remove it, or write the next version")
    bundle, assets = read(source, allow_missing_assets)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="unfinished-", dir=target.parent) as unfinished,
        tf1.Graph().as_default() as graph,
        tf1.Session() as session,
    ):
        saved = Path(unfinished) / "saved_model"
        try:
            restore(session, bundle, assets)
            variables = restored_variables(session)
            signatures = bundle_signatures.convert(bundle.signatures, lambda name: describe(graph, name))
            write(session, bundle, assets, variables, signatures, saved)
        # What TensorFlow finds wrong with a file, with the graph, and with the name of an operation.
        except (tf.errors.OpError, ServingError, DecodeError, ValueError, KeyError) as error:
            raise BundleError(f"{source} cannot be converted: {error}") from error
        saved.rename(target)
    tell(assets, variables, signatures, target)


def read(source: Path, allow_missing_assets: bool) -> tuple[BundleFiles, dict[str, Path]]:
    """The bundle, and its asset files by the tensors that are their paths. BundleError if a part of it is missing."""
    if not (source / SESSION_BUNDLE).is_file():
        raise BundleError(f"{source} is no session bundle: it has no {SESSION_BUNDLE}")
    try:
        bundle = read_bundle(source)
    except ServingError as error:
        raise BundleError(error.message) from error
    checkpoint = bundle.checkpoint.name
    if not any(any(source.glob(pattern)) for pattern in (checkpoint, f"{checkpoint}.index")):
        raise BundleError(f"{source} has no checkpoint: expected export, {checkpoint} or export.index")
    missing = [path for path in bundle.assets.values() if not path.is_file()]
    if missing and not allow_missing_assets:
        raise BundleError(f"The asset {missing[0]} is missing, which {SESSION_BUNDLE} names")
    return bundle, {name: path for name, path in bundle.assets.items() if path not in missing}


def restore(session: Any, bundle: BundleFiles, assets: dict[str, Path]) -> None:
    """Import the graph, and read the variables from the checkpoint as the bundle's own saver does."""
    paths = {name.partition(":")[0]: path for name, path in assets.items()}
    graph = tf1.GraphDef.FromString(bundle.graph)
    for node in graph.node:
        # Devices of the machines that trained are not here.
        node.device = ""
        if node.name in paths and node.op != "Const":
            raise BundleError(f"The path of an asset is a {node.op}, {node.name}; expected a Const")
        if node.name in paths:
            # The path on the machine that trained; the SavedModel's writer copies the file that this one names.
            node.attr["value"].tensor.string_val[:] = [bytes(paths[node.name])]
    tf1.import_graph_def(graph, name="")
    if bundle.restore_op:
        session.run(bundle.restore_op, {bundle.filename_tensor: str(bundle.checkpoint)})


def restored_variables(session: Any) -> dict[str, Any]:
    """The variables that have values, by name; those of the training and of the init operation have none."""
    variables, initialised = {}, {}
    for operation in session.graph.get_operations():
        if operation.type in ("Variable", "VariableV2"):
            variables[operation.name] = operation.outputs[0]
            initialised[operation.name] = tf1.is_variable_initialized(operation.outputs[0])
        elif operation.type == "VarHandleOp":
            handle = operation.outputs[0]
            variables[operation.name] = tf.raw_ops.ReadVariableOp(resource=handle, dtype=operation.get_attr("dtype"))
            initialised[operation.name] = tf.raw_ops.VarIsInitializedOp(resource=handle)
    return {name: variables[name] for name, has_value in session.run(initialised).items() if has_value}


def describe(graph: Any, name: str) -> GraphTensor:
    """A tensor that a signature names, with the type and shape that the graph has for it."""
    tensor = graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    info = TensorInfo(name=tensor.name, dtype=tensor.dtype.base_dtype.as_datatype_enum)
    info.tensor_shape.ParseFromString(tensor.shape.as_proto().SerializeToString())
    return GraphTensor(info, tensor.op.type.startswith("Placeholder"))


def write(
    session: Any,
    bundle: BundleFiles,
    assets: dict[str, Path],
    variables: dict[str, Any],
    signatures: BundleSignatures,
    target: Path,
) -> None:
    """The SavedModel with its one MetaGraph, tagged ``serve``."""
    if not signatures.definitions:
        raise BundleError("None of the signatures can be called: expected one with an output")
    definitions = {
        name: tf1.MetaGraphDef.SignatureDefEntry().value.FromString(definition.SerializeToString())
        for name, definition in signatures.definitions.items()
    }
    graph = session.graph
    builder = tf1.saved_model.Builder(str(target))
    builder.add_meta_graph_and_variables(
        session,
        [tf1.saved_model.tag_constants.SERVING],
        signature_def_map=definitions,
        assets_collection=[graph.get_tensor_by_name(name) for name in assets],
        main_op=graph.get_operation_by_name(bundle.init_op) if bundle.init_op else None,
        saver=tf1.train.Saver(variables, allow_empty=True),
    )
    builder.save()


def tell(assets: dict[str, Path], variables: dict[str, Any], signatures: BundleSignatures, target: Path) -> None:
    """Print what is in the SavedModel, and what its clients have to know."""
    print(f"Wrote {target}: variables {', '.join(variables) or 'none'}")
    print(f"Assets: {', '.join(path.name for path in assets.values()) or 'none'}")
    for name, definition in signatures.definitions.items():
        aliases = " -> ".join(", ".join(sorted(infos)) for infos in (definition.inputs, definition.outputs))
        print(f"Signature {name}: {definition.method_name}, {aliases}")
    if signatures.predict_default is not None:
        name = bundle_signatures.PAIR_NAME
        print(f'Predict has to name the signature "{name}" from now on; the bundle took it for the default one.')


if __name__ == "__main__":
    sys.exit(main())
