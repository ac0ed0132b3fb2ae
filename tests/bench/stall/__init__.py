"""What everybody else waits while requests that cost much arrive without pause: `make bench ARGS="--only=stall"`."""
