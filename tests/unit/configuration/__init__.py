"""Text files of the configuration, read."""
