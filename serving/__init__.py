"""A server that answers TensorFlow Serving's REST and gRPC APIs; see README.md for its use and docs/adr for its shape."""

__version__ = "0.1.0"
