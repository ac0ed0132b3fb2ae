"""Who asks, once that is known: a name, what it may do, with which models and how much.

Whoever reads credentials makes these; nothing here says who somebody is.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Right(Enum):
    """What a request asks for; the values are the words of files."""

    PREDICT = "predict"
    READ = "read"
    ADMIN = "admin"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody with a credential. ``models`` are names, in which ``*`` stands for any characters; None is all models.

    ``max_in_flight`` and ``requests_per_second`` are what it may use of the server at a time; 0 is without a limit.
    """

    name: str
    rights: frozenset[Right]
    models: tuple[str, ...] | None = None
    max_in_flight: int = 0
    requests_per_second: float = 0.0

    def may_use(self, model: str) -> bool:
        """Whether a model is one of its own, if there is such a model or not."""
        models = self.models
        return models is None or model in models or any("*" in each and _fits(each, model) for each in models)


@lru_cache(1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def _fits(text: str, model: str) -> bool:
    return _pattern(text).fullmatch(model) is not None
