"""Tests of the room ``access``: who may call."""
