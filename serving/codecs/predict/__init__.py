"""Predict's request and response messages, read and written without message classes."""
