"""Which versions a file system offers."""
