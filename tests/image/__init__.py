"""Tests of the image, running on a Docker engine."""
