"""The child's program: a `.keras` file is read by Keras and written as a SavedModel.

Its arguments are the file and the directory to write. It ends with 0, or with 1 and the reason on its standard
output; what libraries say goes to its standard error. By ending it gives back all that it took.
"""

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_NICE = 10
_SHOWN = 600


def main() -> None:
    """Convert, or say why not."""
    _lower_priority()
    said = os.dup(1)
    os.dup2(2, 1)
    file, directory = sys.argv[1:]
    try:
        _convert(file, directory)
    except Exception as error:  # noqa: BLE001 - whatever Keras raises is why the version cannot be served
        text = " ".join(str(error).split())[:_SHOWN]
        os.write(said, f"{type(error).__name__}: {text}".encode())
        sys.exit(1)


def _convert(file: str, directory: str) -> None:
    """Load without the model's own Python, which ``safe_mode`` refuses to run, and export what Keras exports."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.saving.load_model(file, compile=False, safe_mode=True)
    model.export(directory, format="tf_saved_model", verbose=False)


def _lower_priority() -> None:
    """Let the server's requests come first, and end with it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.nice(_NICE)
