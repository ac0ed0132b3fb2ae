"""The REST APIs: each reads requests into the request layer's values and writes its answers."""
