"""The names of the files that a version directory may hold, each said once; nothing is opened here."""

SAVED_MODEL = "saved_model.pb"
SAVED_MODELS = (SAVED_MODEL, "saved_model.pbtxt")
"""Either makes a directory a SavedModel."""

VARIABLES_INDEX = "variables/variables.index"
ASSETS = "assets"

EXTRA = "assets.extra"
SAVED_MODEL_CONFIG = "assets.extra/saved_model_config.pb"
WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"
BATCHING_PARAMETERS = "batching_params.pbtxt"

TFLITE_MODEL = "model.tflite"
SESSION_BUNDLE = "export.meta"
KERAS_MODEL = "model.keras"

MODELS = (*SAVED_MODELS, TFLITE_MODEL, SESSION_BUNDLE, KERAS_MODEL)
"""Any of them makes a directory a version."""
