"""The engine on real SavedModels; TensorFlow itself is only ever used through its C API here."""
