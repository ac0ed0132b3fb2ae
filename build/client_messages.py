"""Writes ``serving/client/messages.binpb``: what the protocol compiler makes of ``messages.proto`` beside it.

Run as ``python -m build.client_messages`` in the development environment after changing that file. Clients read the
result, so that none needs a compiler, or generated code that fits only some versions of protobuf.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

SOURCE = Path(__file__).parents[1] / "serving" / "client" / "messages.proto"
OUTPUT = SOURCE.with_suffix(".binpb")


def compiled(source: Path = SOURCE) -> bytes:
    """The serialised FileDescriptorSet of a .proto file without imports. ValueError if the compiler refuses it.

    The compiler has a process of its own: its protobuf and TensorFlow's do not bear each other.
    """
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "messages.binpb")
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{source.parent}", f"--descriptor_set_out={output}"]
        status = subprocess.run([*command, str(source)], check=False).returncode  # noqa: S603 - the words above
        if status:
            raise ValueError(f"the compiler refused {source.name}, with status {status}")
        descriptors = FileDescriptorSet.FromString(output.read_bytes())
    return bytes(descriptors.SerializeToString(deterministic=True))


def main() -> None:
    """Write the file and say what is in it."""
    data = compiled()
    OUTPUT.write_bytes(data)
    print(f"{OUTPUT.name}: {len(FileDescriptorSet.FromString(data).file[0].message_type)} messages, {len(data)} bytes")


if __name__ == "__main__":
    main()
