"""Tests of the image builder. Those with the marker ``docker`` drive a real engine."""
