"""The compiled messages: up to date, and in a pool of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from build import client_messages
from serving.client import messages


def test_file_is_what_the_compiler_makes() -> None:
    """``messages.binpb`` need not be written anew with ``python -m build.client_messages``."""
    assert client_messages.OUTPUT.read_bytes() == client_messages.compiled()


def test_compiler_sees_the_file(tmp_path: Path) -> None:
    """Another number gives other bytes, so that a stale file is noticed."""
    changed = tmp_path / "messages.proto"
    changed.write_text(client_messages.SOURCE.read_text().replace("version_label = 4", "version_label = 5"))
    assert client_messages.compiled(changed) != client_messages.OUTPUT.read_bytes()


def test_refused_file(tmp_path: Path) -> None:
    """What is no .proto file is an error that names it."""
    (tmp_path / "bad.proto").write_text("message")
    with pytest.raises(ValueError, match=r"the compiler refused bad\.proto, with status 1"):
        client_messages.compiled(tmp_path / "bad.proto")


def test_pool_is_private() -> None:
    """Nothing is registered where an official package would register its own."""
    code = (
        "import serving.client, sys; from google.protobuf import descriptor_pool as pool\n"
        "for name in ('tensorflow.TensorProto', 'tensorflow_serving_appliance.client.TensorProto'):\n"
        "    try: pool.Default().FindMessageTypeByName(name)\n"
        "    except KeyError: print('private')\n"
        "print('tensorflow' in sys.modules, 'serving.protos' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["private", "private", "False False"]


def test_unknown_message() -> None:
    """A name that the file does not have is a KeyError."""
    with pytest.raises(KeyError):
        messages.message("NoSuchMessage")
