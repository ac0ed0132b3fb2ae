"""What the process says about itself: the log and the metrics."""
