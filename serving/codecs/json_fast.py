"""The fast road for predict requests: numbers go from the text into a buffer without becoming Python objects.

It takes the usual bodies only, and takes them exactly as ``json_request.read_exactly`` would; whatever it is not sure
of it declines, errors included, and the exact road decides.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import simdjson
from numpy.typing import NDArray

from serving.codecs.json_literals import Literals, read_literals
from serving.codecs.json_strings import encoded
from serving.core.signature import TensorInfo
from serving.core.tensor import Tensor


class Layout(Enum):
    """How a request nests its tensors, and with them its answer."""

    ROW = "instances"
    COLUMNAR = "inputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class FastDocument:
    """A body that is valid as far as it counts: numbers only, for one unnamed or several named inputs."""

    signature_name: bytes
    layout: Layout
    named: bool
    values: Mapping[bytes, Literals]

    def tensors(self, inputs: Mapping[str, TensorInfo]) -> dict[str, Tensor] | None:
        """The tensors by alias, or None if the exact road must decide."""
        if not self.named:
            return self._only_tensor(inputs)
        names = {encoded(name): name for name in inputs}
        if names.keys() - self.values.keys() or (self.layout is Layout.ROW and len(names) != len(self.values)):
            return None
        found = {}
        for key, name in names.items():
            array = self.values[key].array(inputs[name].dtype)
            if array is None:
                return None
            found[name] = Tensor(inputs[name].dtype, array)
        return found
