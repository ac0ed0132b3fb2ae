"""Writes ``serving/protos.binpb``: the wire's message descriptors, taken from the official packages.

Run as ``python -m build.descriptors`` in the development environment after a new ``tensorflow-serving-api``. Importing
those packages imports TensorFlow, which takes seconds; that is why the server reads this file instead.
"""

import importlib
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

OUTPUT = Path(__file__).parents[1] / "serving" / "protos.binpb"

ROOTS = (
    "tensorflow_serving.apis.prediction_service_pb2",
    "tensorflow_serving.apis.model_service_pb2",
    "tensorflow_serving.apis.prediction_log_pb2",
    "tensorflow_serving.apis.session_service_pb2",
    "tensorflow_serving.config.model_server_config_pb2",
    "tensorflow_serving.config.platform_config_pb2",
    "tensorflow.core.protobuf.saved_model_pb2",
    "tensorflow.core.protobuf.config_pb2",
    "tensorflow.core.example.example_pb2",
)
"""The modules whose messages the server speaks; what they depend on comes along."""


def descriptor_set() -> FileDescriptorSet:
    """Every file of ``ROOTS`` and its dependencies, dependencies first, options and comments left out."""
    files: dict[str, FileDescriptorProto] = {}

    def add(file: FileDescriptor) -> None:
        if file.name in files:
            return
        for dependency in file.dependencies:
            add(dependency)
        proto = FileDescriptorProto()
        file.CopyToProto(proto)
        files[file.name] = proto

    for root in ROOTS:
        add(importlib.import_module(root).DESCRIPTOR)
    return FileDescriptorSet(file=files.values())


def main() -> None:
    """Write the file and say what is in it."""
    descriptors = descriptor_set()
    data = descriptors.SerializeToString(deterministic=True)
    OUTPUT.write_bytes(data)
    print(f"{OUTPUT.name}: {len(descriptors.file)} files, {len(data)} bytes")


if __name__ == "__main__":
    main()
