"""A model behind FastAPI and uvicorn, as tutorials show it: `tf.saved_model.load` and a pydantic model of the body.

usage: python -m tests.bench.baselines.fastapi_app VERSION_DIRECTORY PORT
"""

import sys
from typing import Any

import tensorflow as tf
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Body(BaseModel):  # type: ignore[misc, unused-ignore]
    """The instances, of any shape."""

    instances: list[Any]


def application(version: str) -> Any:
    """A FastAPI application that answers POST /v1/models/NAME:predict with `x` from the instances."""
    signature = tf.saved_model.load(version).signatures["serving_default"]
    app = FastAPI()

    def predict(name: str, body: Body) -> dict[str, Any]:
        return {"predictions": signature(x=tf.constant(body.instances, tf.float32))["y"].numpy().tolist()}

    app.add_api_route("/v1/models/{name}:predict", predict, methods=["POST"])
    return app


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False)
