"""serving.client: its messages and tensors against the official ones, its calls against a running server."""
