"""Clients that others have written, at a real server; each is skipped where its program is not installed."""
