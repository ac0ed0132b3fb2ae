"""A drop-in for TensorFlow Serving: its REST and gRPC APIs; README.md tells its use, docs/adr its shape."""

__version__ = "0.2.0"
