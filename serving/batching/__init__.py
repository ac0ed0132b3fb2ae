"""Merging requests into batches: a wrapper around a servable, and the threads that run its batches for all models."""
