"""Multiplies two matrices with TensorFlow's C API and checks the product; meanwhile TensorFlow and oneDNN say what they
run on. A script of its own, for any Python 3, in a child process or in a container. Knows nothing of this project.

usage: [env ONEDNN_VERBOSE=1] python multiply.py [DIRECTORY_OF_LIBTENSORFLOW_CC]
"""

import ctypes
import importlib.util
import sys
from pathlib import Path

SIZE = 256
"""Rows and columns: large enough for oneDNN to be asked."""
FLOAT = 1

Handle = ctypes.c_void_p


class Output(ctypes.Structure):
    """``TF_Output``."""

    _fields_ = (("operation", Handle), ("index", ctypes.c_int))


def library(directory: Path) -> ctypes.CDLL:
    """The two libraries, the one that the other needs first, with the types of what is used."""
    ctypes.CDLL(str(next(directory.glob("libtensorflow_framework.so.*"))))
    loaded = ctypes.CDLL(str(next(directory.glob("libtensorflow_cc.so.*"))))
    made = ("NewStatus", "NewGraph", "NewOperation", "FinishOperation", "NewSessionOptions", "NewSession")
    for name in (*made, "AllocateTensor", "TensorData", "GetCode", "Message"):
        getattr(loaded, f"TF_{name}").restype = Handle
    loaded.TF_GetCode.restype = ctypes.c_int
    loaded.TF_Message.restype = ctypes.c_char_p
    return loaded


class Calculator:
    """A graph of one multiplication, and a session."""

    def __init__(self, tf: ctypes.CDLL) -> None:
        self.tf = tf
        self.status = Handle(tf.TF_NewStatus())
        self.graph = Handle(tf.TF_NewGraph())
        self.inputs = [self.placeholder(name) for name in (b"a", b"b")]
        made = Handle(tf.TF_NewOperation(self.graph, b"MatMul", b"product"))
        for value in self.inputs:
            tf.TF_AddInput(made, value)
        self.product = Output(self.finished(made), 0)

    def placeholder(self, name: bytes) -> Output:
        """An input of floats."""
        made = Handle(self.tf.TF_NewOperation(self.graph, b"Placeholder", name))
        self.tf.TF_SetAttrType(made, b"dtype", FLOAT)
        return Output(self.finished(made), 0)

    def finished(self, made: Handle) -> int | None:
        """The operation that was described."""
        done: int | None = self.tf.TF_FinishOperation(made, self.status)
        self.check()
        return done

    def check(self) -> None:
        """Stop when the last call failed."""
        if self.tf.TF_GetCode(self.status):
            sys.exit(self.tf.TF_Message(self.status).decode())

    def filled(self, value: float) -> Handle:
        """A matrix that has one value everywhere."""
        shape = (ctypes.c_int64 * 2)(SIZE, SIZE)
        tensor = Handle(self.tf.TF_AllocateTensor(FLOAT, shape, 2, ctypes.c_size_t(4 * SIZE * SIZE)))
        self.numbers(tensor)[:] = [value] * (SIZE * SIZE)
        return tensor

    def numbers(self, tensor: Handle) -> "ctypes.Array[ctypes.c_float]":
        """What a matrix holds."""
        return (ctypes.c_float * (SIZE * SIZE)).from_address(self.tf.TF_TensorData(tensor))

    def run(self) -> set[float]:
        """The different values in the product of a matrix of halves and a matrix of twos."""
        tf = self.tf
        session = Handle(tf.TF_NewSession(self.graph, Handle(tf.TF_NewSessionOptions()), self.status))
        self.check()
        feeds = (Output * 2)(*self.inputs)
        values = (Handle * 2)(self.filled(0.5), self.filled(2.0))
        fetches = (Output * 1)(self.product)
        results = (Handle * 1)()
        tf.TF_SessionRun(session, None, feeds, values, 2, fetches, results, 1, None, 0, None, self.status)
        self.check()
        return set(self.numbers(Handle(results[0])))


def main() -> None:
    """Multiply; exits with a text when that fails or is wrong."""
    found = importlib.util.find_spec("tensorflow") if len(sys.argv) < 2 else None
    directory = Path(found.origin).parent if found and found.origin else Path(sys.argv[1])
    product = Calculator(library(directory)).run()
    if product != {float(SIZE)}:
        sys.exit(f"the product is wrong: expected {SIZE} everywhere, got {sorted(product)[:5]}")
    print(f"multiplied {SIZE}x{SIZE}")


if __name__ == "__main__":
    main()
