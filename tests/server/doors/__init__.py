"""The doors of a running server, as clients see them."""
