"""Writes ``serving/protos.binpb``: the wire's message descriptors, taken from the official packages.

Run as ``python -m build.descriptors`` in the development environment after a new ``tensorflow-serving-api``. Importing
those packages imports TensorFlow, which takes seconds; that is why the server reads this file instead.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from build.client_messages import compiled

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
    "grpc_health.v1.health_pb2",
    "grpc_reflection.v1alpha.reflection_pb2",
)
"""The modules whose messages the server speaks; what they depend on comes along."""

OPEN_INFERENCE = Path(__file__).with_name("open_inference.proto")
"""The service of the Open Inference Protocol, which no package that the server needs has."""

REFLECTION_FILE = "grpc_reflection/v1alpha/reflection.proto"

CONFIGS_FILE = "tensorflow_serving_configs.proto"
CONFIGS: Mapping[str, Sequence[tuple[int, str, str]]] = {
    "PrometheusConfig": ((1, "enable", "bool"), (2, "path", "string")),
    "SSLConfig": (
        (1, "server_key", "string"),
        (2, "server_cert", "string"),
        (3, "custom_ca", "string"),
        (4, "client_verify", "bool"),
    ),
    "MonitoringConfig": ((1, "prometheus_config", "PrometheusConfig"),),
    "ThreadPoolFactoryConfig": ((1, "thread_pool_factory_config", ".google.protobuf.Any"),),
    "ModelWarmupOptions": (
        (1, "num_request_iterations", ".google.protobuf.Int32Value"),
        (2, "num_model_warmup_threads", ".google.protobuf.Int32Value"),
        (3, "model_name", "string"),
        (4, "model_version", "int64"),
        (5, "enable_all_batch_sizes_warmup", "bool"),
    ),
    "SessionBundleConfig": (
        (1, "session_target", "string"),
        (2, "session_config", ".tensorflow.ConfigProto"),
        (3, "batching_parameters", "BatchingParameters"),
        (4, "session_run_load_threadpool_index", ".google.protobuf.Int32Value"),
        (5, "experimental_transient_ram_bytes_during_load", ".google.protobuf.UInt64Value"),
        (6, "saved_model_tags", "repeated string"),
        (778, "experimental_fixed_input_tensors", "repeated .tensorflow.NamedTensorProto"),
        (779, "enable_model_warmup", "bool"),
        (780, "model_warmup_options", "ModelWarmupOptions"),
        (781, "enable_session_metadata", "bool"),
        (782, "remove_unused_fields_from_bundle_metagraph", "bool"),
        (783, "prefer_tflite_model", "bool"),
        (786, "num_tflite_interpreters_per_pool", "int32"),
        (787, "num_tflite_pools", "int32"),
        (788, "wrap_session_with_no_threading_params", "bool"),
        (789, "enable_per_model_batching_params", "bool"),
        (790, "enable_saved_model_config", "bool"),
        (791, "mixed_precision", "string"),
    ),
    "SavedModelBundleSourceAdapterConfig": ((1000, "legacy_config", "SessionBundleConfig"),),
    # Passed on as they are, with what is in them: fields that a message does not have are kept.
    "RemoteOpRemapConfig": (),
    "BatchOpRewriteConfig": (),
    "SessionOverrides": (
        (1, "remote_op_remap_config", "RemoteOpRemapConfig"),
        (2, "batch_op_rewriter_config", "BatchOpRewriteConfig"),
        (3, "disable_meta_optimizer", "bool"),
    ),
    "SavedModelConfig": ((1, "session_overrides", "SessionOverrides"), (3, "critical", "bool")),
    "BatchingParameters": (
        (1, "max_batch_size", ".google.protobuf.Int64Value"),
        (2, "batch_timeout_micros", ".google.protobuf.Int64Value"),
        (3, "max_enqueued_batches", ".google.protobuf.Int64Value"),
        (4, "num_batch_threads", ".google.protobuf.Int64Value"),
        (5, "thread_pool_name", ".google.protobuf.StringValue"),
        (6, "allowed_batch_sizes", "repeated int64"),
        (7, "pad_variable_length_inputs", "bool"),
        (8, "enable_large_batch_splitting", ".google.protobuf.BoolValue"),
        (9, "max_execution_batch_size", ".google.protobuf.Int64Value"),
    ),
    # A SessionBundle's. Its maps are lists of entries here, which is the same on the wire.
    "TensorBinding": ((1, "tensor_name", "string"),),
    "AssetFile": ((1, "tensor_binding", "TensorBinding"), (2, "filename", "string")),
    "RegressionSignature": ((1, "input", "TensorBinding"), (2, "output", "TensorBinding")),
    "ClassificationSignature": (
        (1, "input", "TensorBinding"),
        (2, "classes", "TensorBinding"),
        (3, "scores", "TensorBinding"),
    ),
    "GenericSignatureEntry": ((1, "key", "string"), (2, "value", "TensorBinding")),
    "GenericSignature": ((1, "map", "repeated GenericSignatureEntry"),),
    "Signature": (
        (1, "regression_signature", "RegressionSignature"),
        (2, "classification_signature", "ClassificationSignature"),
        (3, "generic_signature", "GenericSignature"),
    ),
    "NamedSignature": ((1, "key", "string"), (2, "value", "Signature")),
    "Signatures": ((1, "default_signature", "Signature"), (2, "named_signatures", "repeated NamedSignature")),
}
"""Messages of configuration files that the packages lack, in ``tensorflow.serving``: number, name, type of each field.

A type is a scalar's, the name of a message of this table, or a message's full name after a dot (its file must be in
``CONFIGS_IMPORTS``); ``repeated`` before it makes a list.
"""
CONFIGS_IMPORTS: Sequence[str] = (
    "google/protobuf/any.proto",
    "google/protobuf/wrappers.proto",
    "tensorflow/core/protobuf/config.proto",
    "tensorflow/core/protobuf/named_tensor.proto",
)
"""The files that define what ``CONFIGS`` mentions from elsewhere; ``ROOTS`` must bring them along."""


def configs_file() -> FileDescriptorProto:
    """``CONFIGS`` as a descriptor."""
    file = FileDescriptorProto(
        name=CONFIGS_FILE, package="tensorflow.serving", syntax="proto3", dependency=CONFIGS_IMPORTS
    )
    for name, fields in CONFIGS.items():
        file.message_type.add(name=name).field.extend(_field(*field) for field in fields)
    return file


def _field(number: int, name: str, kind: str) -> FieldDescriptorProto:
    words = kind.split()
    repeated = FieldDescriptorProto.LABEL_REPEATED if words[0] == "repeated" else FieldDescriptorProto.LABEL_OPTIONAL
    field = FieldDescriptorProto(name=name, number=number, label=repeated)
    if f"TYPE_{words[-1].upper()}" in FieldDescriptorProto.Type.DESCRIPTOR.values_by_name:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{words[-1].upper()}")
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = words[-1] if words[-1].startswith(".") else f".tensorflow.serving.{words[-1]}"
    return field


def reflection_v1(alpha: FileDescriptorProto) -> FileDescriptorProto:
    """The reflection service under its newer name; only the package differs."""
    return text_format.Parse(text_format.MessageToString(alpha).replace("v1alpha", "v1"), FileDescriptorProto())


def descriptor_set() -> FileDescriptorSet:
    """Every file of ``ROOTS`` and its dependencies, dependencies first, options and comments left out; then our own.

    Those are the newer reflection service and ``CONFIGS``, which the packages lack, and ``OPEN_INFERENCE``.
    """
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
    own = [
        reflection_v1(files[REFLECTION_FILE]),
        configs_file(),
        *FileDescriptorSet.FromString(compiled(OPEN_INFERENCE)).file,
    ]
    return FileDescriptorSet(file=[*files.values(), *own])


def main() -> None:
    """Write the file and say what is in it."""
    descriptors = descriptor_set()
    data = descriptors.SerializeToString(deterministic=True)
    OUTPUT.write_bytes(data)
    print(f"{OUTPUT.name}: {len(descriptors.file)} files, {len(data)} bytes")


if __name__ == "__main__":
    main()
