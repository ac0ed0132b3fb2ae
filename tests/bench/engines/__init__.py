"""Two of our servers that differ in their flags, call by call over gRPC: what another engine gains, model by model."""
