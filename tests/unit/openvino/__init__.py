"""Tests of what stands around OpenVINO, without it."""
