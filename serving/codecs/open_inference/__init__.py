"""The Open Inference Protocol's requests and answers (version 2), in JSON with binary tensors and as gRPC messages."""
