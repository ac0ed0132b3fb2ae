"""The files below deploy/: what they say to a cluster, and that the server agrees."""
