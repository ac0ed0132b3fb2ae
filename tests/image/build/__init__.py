"""The image builder on a real engine."""
