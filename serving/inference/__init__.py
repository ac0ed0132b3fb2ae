"""What the server does for a request, whichever door it came in by: values in, values out, no wire formats."""
