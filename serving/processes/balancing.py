"""How many connections a worker ought to give up, for others to have them: a pure decision, of counts."""

_UNEVEN = 1.25
"""So much more than its share, and a worker has too many; who connects anew may come to it again."""


def too_many(mine: int, of_others: int, workers: int) -> int:
    """Of ``mine``, what is beyond the share of one of so many ``workers``; 0 if that is about what it has."""
    if workers < 2:
        return 0
    share = -(-(mine + of_others) // workers)
    return mine - share if mine >= share * _UNEVEN else 0
