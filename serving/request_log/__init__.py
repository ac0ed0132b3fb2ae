"""Request logging: which requests are kept, and the TFRecord files they are kept in."""
