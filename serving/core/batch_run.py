"""What is known of one batch that ran, for those who trace its members; nobody makes one otherwise."""

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class BatchRun:
    """``members`` requests, or parts of them, with so many ``rows`` together; times are Unix time in seconds."""

    members: int
    rows: int
    began: float
    ended: float = 0.0
