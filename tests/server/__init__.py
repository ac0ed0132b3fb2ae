"""Tests of started servers and of the engine, with the real TensorFlow."""
