"""``assets.extra/saved_model_config.pb``: what a version asks of its own session, on top of what all sessions have.

It changes grappler's options and nothing else (docs/models.md, "TensorFlow settings").
"""

import base64
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serving.core.version_files import SAVED_MODEL_CONFIG
from serving.protos import ConfigProto, SavedModelConfig
from serving.telemetry.log import logger

_REWRITERS = (  # field of SessionOverrides, grappler's optimizer, its one parameter
    ("remote_op_remap_config", "remote_op_config_rewrite", "remote_op_rewrite_config"),
    ("batch_op_rewriter_config", "batch_op_rewriter", "batch_op_rewrite_config"),
)


def merged(version: Path, session_config: bytes) -> bytes:
    """The serialised ConfigProto for the version directory ``version``: ``session_config`` unless its file says more.

    A file that cannot be read is a warning, as in TensorFlow Serving.
    """
    try:
        given = SavedModelConfig.FromString((version / SAVED_MODEL_CONFIG).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return session_config
    except (OSError, DecodeError) as error:
        logger.warning("%s cannot be read and is passed over: %s", version / SAVED_MODEL_CONFIG, error)
        return session_config
    if not given.HasField("session_overrides"):
        return session_config
    config = ConfigProto.FromString(session_config)
    _override(config.graph_options.rewrite_options, given.session_overrides)
    return bytes(config.SerializeToString())


def _override(rewrite_options: Any, overrides: Any) -> None:
    for field, optimizer, parameter in _REWRITERS:
        if overrides.HasField(field):
            data = base64.b64encode(getattr(overrides, field).SerializeToString())
            _optimizer(rewrite_options, optimizer).parameter_map[parameter].s = data
    rewrite_options.disable_meta_optimizer = overrides.disable_meta_optimizer


def _optimizer(rewrite_options: Any, name: str) -> Any:
    """The custom optimizer called ``name``, added if it is not there yet."""
    for optimizer in rewrite_options.custom_optimizers:
        if optimizer.name == name:
            return optimizer
    return rewrite_options.custom_optimizers.add(name=name)
