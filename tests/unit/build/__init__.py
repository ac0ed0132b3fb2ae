"""Tests of the image builder without an engine; those with a real one are in tests/image/build."""
