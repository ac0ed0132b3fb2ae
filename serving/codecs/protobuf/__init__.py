"""Protobuf messages and their parts to values and back; no I/O."""
