"""Where TensorFlow lives, behind its C API. The rest of the server imports, starts and tests without it."""
