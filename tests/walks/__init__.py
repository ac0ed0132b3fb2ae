"""Walks through the README, the examples and the other pages, as their readers would go."""
