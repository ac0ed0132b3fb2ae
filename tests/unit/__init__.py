"""Tests that start no server and load no TensorFlow: `make unit` runs them in seconds."""
