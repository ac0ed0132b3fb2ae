"""What a real TensorFlow Serving answers, and the models it was asked about."""
