"""The doors in memory, without a server's process."""
