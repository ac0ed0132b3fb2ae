"""How many connections a worker ought to give up, for others to have them: a pure decision, of counts."""

from collections.abc import Sequence

_STARVED = 4
"""A worker that has less than this part of its share has too few. What is less uneven stays: telling a connection to
go elsewhere costs its client a new one, which may come to the same worker again."""


def too_many(mine: int, others: Sequence[int]) -> int:
    """Of ``mine``, what is beyond this worker's share and lacking in such of the ``others`` that have next to none."""
    share = -(-(mine + sum(others)) // (len(others) + 1))
    lacking = sum(share - each for each in others if each * _STARVED < share)
    return max(min(mine - share, lacking), 0)
