"""Asks a server that speaks TLS over gRPC; with --key and --certificate it says who it is."""

import argparse
import sys
from pathlib import Path

import grpc

from serving.client import Client, ServingError


def main() -> int:
    """Print one answer; end with status 1 and a sentence if there is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("--ca", type=Path, required=True, help="the authority that vouches for the server")
    parser.add_argument("--key", type=Path, help="the client's key")
    parser.add_argument("--certificate", type=Path, help="the client's certificate")
    arguments = parser.parse_args()
    try:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=arguments.ca.read_bytes(),
            private_key=arguments.key.read_bytes() if arguments.key else None,
            certificate_chain=arguments.certificate.read_bytes() if arguments.certificate else None,
        )
        with Client(arguments.server, credentials=credentials) as client:
            outputs = client.predict("secured", {"x": [1.0, 2.0, 5.0]}, timeout_seconds=10)
    except (ServingError, OSError, ValueError) as error:  # OSError: a file is missing; ValueError: the address is none
        raise SystemExit(f"error: {error}") from None
    print(f"version {outputs.version} answers {outputs['y'].tolist()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
