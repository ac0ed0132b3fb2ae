"""Asks the model what is on a picture over REST, on one connection that stays open; the standard library is enough."""

import base64
import http.client
import json
import sys

from answers import options, report

TARGET = "/v1/models/resnet:predict"


def main() -> None:
    """Print the best five classes and the latency."""
    chosen = options(__doc__, "localhost:8501")
    picture = base64.b64encode(chosen.image).decode()
    body = json.dumps({"instances": [{"b64": picture}]})
    try:
        connection = http.client.HTTPConnection(chosen.server, timeout=60)
        report(lambda: predict(connection, body), chosen.requests)
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"error: no answer from {chosen.server}: {error}; expected --server=host:port of the REST API")
    except ValueError as error:
        sys.exit(f"error: {error}")


def predict(connection: http.client.HTTPConnection, body: str) -> list[float]:
    """The probabilities of the one instance in ``body``; ends the program with the server's words on an error."""
    connection.request("POST", TARGET, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status != http.client.OK:
        sys.exit(f"error: {response.status} {text.decode()}")
    prediction = json.loads(text)["predictions"][0]
    # The only output of a model has no name in JSON.
    probabilities: list[float] = prediction["probabilities"] if isinstance(prediction, dict) else prediction
    return probabilities


if __name__ == "__main__":
    main()
