"""The metrics page of a running server."""
