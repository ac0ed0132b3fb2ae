"""The gRPC door: decode, call, encode. No model logic, and nothing of the REST door."""
