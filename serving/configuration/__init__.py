"""Text protos and flags to values, validated: models, sessions, batching, monitoring. Nothing here acts on them."""
