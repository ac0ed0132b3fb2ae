"""The child process that freezes one SavedModel, alone in importing TensorFlow's Python; it imports nothing of ours."""
