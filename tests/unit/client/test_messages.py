"""The compiled messages: up to date, and in a pool of their own."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.message import EncodeError

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


class Large:
    """A message of 2 GiB, of which none is read: such zeros take no memory."""

    def SerializeToString(self, deterministic: bool) -> bytes:  # noqa: N802 - protobuf's name
        return bytes(2**31)


class Larger:
    """A message that protobuf itself refuses."""

    def SerializeToString(self, deterministic: bool) -> bytes:  # noqa: N802 - protobuf's name
        raise EncodeError("Failed to serialize proto")


@pytest.mark.parametrize("kind", [Large, Larger])
def test_limit_of_protobuf(kind: type) -> None:
    """What no server could read is not sent, and the error says the limit."""
    with pytest.raises(ValueError, match="over 2 GiB is more than protobuf can carry"):
        messages.serialised(kind())
