"""The domain, stepped by hand."""
