"""What classify and regress give, before any wire form."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Classification(NamedTuple):
    """Per example (rows) and class (columns) a label and a score; an array that the signature lacks is None."""

    labels: NDArray[Any] | None
    scores: NDArray[np.float32] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Examples and classes."""
        known: NDArray[Any] | None = self.labels if self.labels is not None else self.scores
        rows, columns = known.shape if known is not None else (0, 0)
        return rows, columns


class Regression(NamedTuple):
    """One value per example, shape ``[examples]``."""

    values: NDArray[np.float32]
