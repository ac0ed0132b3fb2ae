"""Bytes to tensors and back: no I/O, no clock, no model. Each module is one format in one direction."""
