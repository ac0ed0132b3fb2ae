"""numpy's file formats as bodies of requests and answers; no I/O."""
