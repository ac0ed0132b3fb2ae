"""A model behind Flask, as tutorials show it: `tf.saved_model.load`, `request.get_json`, `jsonify`, `app.run`.

usage: python -m tests.bench.baselines.flask_app VERSION_DIRECTORY PORT
"""

import logging
import sys
from typing import Any

import tensorflow as tf
from flask import Flask, jsonify, request


def application(version: str) -> Any:
    """A Flask application that answers POST /v1/models/NAME:predict with `x` from the instances."""
    signature = tf.saved_model.load(version).signatures["serving_default"]
    app = Flask(__name__)

    def predict(name: str) -> Any:
        x = tf.constant(request.get_json()["instances"], tf.float32)
        return jsonify({"predictions": signature(x=x)["y"].numpy().tolist()})

    app.add_url_rule("/v1/models/<name>:predict", view_func=predict, methods=["POST"])
    return app


if __name__ == "__main__":
    # One line a request would be measured as well.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application(sys.argv[1]).run("127.0.0.1", int(sys.argv[2]), threaded=True)
