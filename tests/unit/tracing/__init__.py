"""Traces without servers and collectors."""
