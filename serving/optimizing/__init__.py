"""What may serve a version faster than its graph as saved, and whether it does: candidates, trials, the choice."""
