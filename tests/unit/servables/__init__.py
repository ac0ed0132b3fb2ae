"""What is kept of a servable's calls."""
