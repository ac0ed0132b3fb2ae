"""What the process says about itself and knows about its surroundings: logs and limits."""
