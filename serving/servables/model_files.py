"""The files that a SavedModel names, looked for where TensorFlow would not miss them (docs/compatibility.md).

Without its checkpoint's index TensorFlow restores nothing and says that all is well; the rest of a checkpoint it misses
itself. It opens an asset when an operation does, which may be at the first call.
"""

from pathlib import Path
from typing import Any

from serving.codecs.protobuf import wire
from serving.core import version_files
from serving.errors import Code, ServingError, first_few
from serving.protos import MetaGraphDef
from serving.servables.checkpoint import restored_variable

_MOST_SHOWN = 256
"""Characters of a variable's name in an error."""


def has_checkpoint(version: Path) -> bool:
    """Whether TensorFlow is going to restore variables; to be asked before it does, for files may be on their way."""
    return (version / version_files.VARIABLES_INDEX).exists()


def check(version: Path, meta_graph: bytes, *, restored: bool) -> None:
    """NOT_FOUND, and which file it is, if a loaded MetaGraph needs one that is missing.

    ``restored`` is what ``has_checkpoint`` said. Without a checkpoint the graph is searched for what it would restore.
    """
    if not restored:
        variable = restored_variable(meta_graph)
        if variable is not None:
            raise ServingError(
                Code.NOT_FOUND,
                f"The SavedModel has variables to restore, such as {variable[:_MOST_SHOWN]}, but its checkpoint is "
                f"missing or not complete: expected {version / version_files.VARIABLES_INDEX}",
            )
    assets = version / version_files.ASSETS
    missing = [name for name in _asset_names(meta_graph) if not Path(f"{assets}/{name}").exists()]
    if missing:
        raise ServingError(
            Code.NOT_FOUND, f"The SavedModel names assets that are missing: expected {first_few(missing)} in {assets}"
        )


def _asset_names(meta_graph: bytes) -> list[str]:
    """The assets of TF2's list; TF1 names its own in a collection.

    Exports are about, among TensorFlow Serving's own test models, that do without what the collection names. If assets
    are read as a model is loaded, TensorFlow finds them missing itself.
    """
    listed: Any = MetaGraphDef.FromString(wire.only_field(meta_graph, MetaGraphDef.ASSET_FILE_DEF_FIELD_NUMBER))
    return [asset.filename for asset in listed.asset_file_def if asset.filename]
