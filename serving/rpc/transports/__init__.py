"""What carries gRPC: the native front, grpcio, and the one in front of the other."""
