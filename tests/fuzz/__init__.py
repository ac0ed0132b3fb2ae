"""Decoders and configuration parsers on made-up bytes: what is made, what each promises, and campaigns of many."""
