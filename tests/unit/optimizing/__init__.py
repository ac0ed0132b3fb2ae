"""What may serve a version, decided without TensorFlow."""
