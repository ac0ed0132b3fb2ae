"""JSON bodies of requests and answers, with TensorFlow Serving's leniencies, texts and digits; no I/O."""
