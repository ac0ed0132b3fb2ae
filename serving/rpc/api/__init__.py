"""The gRPC services: each reads messages into the request layer's values and writes its answers."""
