"""Models in object stores: listed, fetched beside into a cache directory, checked and published whole there."""
