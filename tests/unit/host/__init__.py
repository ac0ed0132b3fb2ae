"""Tests of what the process knows of its machine."""
