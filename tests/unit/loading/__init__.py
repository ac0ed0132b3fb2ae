"""How models come and go, with loaders that are told what to do."""
