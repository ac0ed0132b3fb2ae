"""Servers of several workers."""
