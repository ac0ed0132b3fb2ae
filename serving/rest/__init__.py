"""The REST door: decode, call, encode. No model logic, and nothing of the gRPC door."""
