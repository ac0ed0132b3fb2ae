"""``assets.extra/saved_model_config.pb``: what it changes in a session's configuration, and what it does not."""

import base64
from pathlib import Path
from typing import Any

import pytest

from serving.core.tensor import DataType
from serving.core.version_files import SAVED_MODEL_CONFIG
from serving.protos import ConfigProto, SavedModelConfig
from serving.servables import saved_model_config
from tests.support.models import call, loaded, tensor

BASE = ConfigProto(intra_op_parallelism_threads=3).SerializeToString()
REMOTE = b"\x0a\x03abc"
"""Fields that the message does not declare: they are kept as they are."""


def write(version: Path, data: bytes) -> Path:
    """A version directory with this file."""
    (version / "assets.extra").mkdir(parents=True)
    (version / SAVED_MODEL_CONFIG).write_bytes(data)
    return version


def overrides(**fields: Any) -> bytes:
    """A SavedModelConfig with these overrides."""
    return bytes(SavedModelConfig(session_overrides=fields).SerializeToString())


def rewritten(version: Path, base: bytes = BASE) -> Any:
    """Grappler's options after the merge; the rest must be what it was."""
    config = ConfigProto.FromString(saved_model_config.merged(version, base))
    assert config.intra_op_parallelism_threads == 3
    return config.graph_options.rewrite_options


def test_no_file_changes_nothing(tmp_path: Path) -> None:
    """The configuration of all sessions is the version's."""
    assert saved_model_config.merged(tmp_path, BASE) is BASE


@pytest.mark.parametrize("data", [pytest.param(b"", id="empty"), pytest.param(b"\x18\x01", id="critical")])
def test_no_overrides_change_nothing(tmp_path: Path, data: bytes) -> None:
    """A file may say other things."""
    assert saved_model_config.merged(write(tmp_path, data), BASE) is BASE


def test_unreadable_file_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The version loads all the same."""
    assert saved_model_config.merged(write(tmp_path, b"\xff"), BASE) is BASE
    (line,) = caplog.messages
    assert "saved_model_config.pb cannot be read and is passed over" in line


def test_optimizers_get_their_configuration(tmp_path: Path) -> None:
    """Each rewrite is one of grappler's optimizers with the message as base64, replaced if it is there already."""
    data = overrides(remote_op_remap_config={}, batch_op_rewriter_config={})
    given = SavedModelConfig.FromString(data)
    given.session_overrides.remote_op_remap_config.MergeFromString(REMOTE)
    version = write(tmp_path, given.SerializeToString())
    once = saved_model_config.merged(version, BASE)
    assert [
        (optimizer.name, {key: value.s for key, value in optimizer.parameter_map.items()})
        for optimizer in rewritten(version, once).custom_optimizers
    ] == [
        ("remote_op_config_rewrite", {"remote_op_rewrite_config": base64.b64encode(REMOTE)}),
        ("batch_op_rewriter", {"batch_op_rewrite_config": b""}),
    ]


@pytest.mark.parametrize("disable", [True, False])
def test_meta_optimizer(tmp_path: Path, disable: bool) -> None:
    """It can be turned off for one version; overrides without a word of it turn it on."""
    base = ConfigProto.FromString(BASE)
    base.graph_options.rewrite_options.disable_meta_optimizer = True
    version = write(tmp_path, overrides(disable_meta_optimizer=disable))
    assert rewritten(version, base.SerializeToString()).disable_meta_optimizer == disable


def test_a_version_with_overrides_answers(models: Path, tmp_path: Path) -> None:
    """TensorFlow takes what is merged, rewrites that it does not have included."""
    version = tmp_path / "1"
    write(version, overrides(batch_op_rewriter_config={}, disable_meta_optimizer=True))
    for name in ("saved_model.pb", "variables", "assets"):
        (version / name).symlink_to(models / "matrix" / "1" / name)
    with loaded(version) as servable:
        (row,) = call(servable, {"x": tensor(DataType.FLOAT, [[[1, 1, 1]] * 3])})["y"].array.tolist()
    assert row == [[2.5] * 3] * 3
