"""Tests of batching: the logic stepped by hand with a clock of its own, the threads with events."""
