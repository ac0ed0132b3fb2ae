"""Sizes of tensors as polynomials in the sizes that a graph leaves open: what a check for any number of rows needs.

Every open size is at least 1: a request with a size of 0 never leaves TensorFlow.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from math import inf
from operator import mul

Monomial = tuple[str, ...]
"""The open sizes that are multiplied with each other, sorted; nothing for the constant term."""


@dataclass(frozen=True, slots=True)
class Size:
    """A sum of products. ``terms`` are sorted and without zeros, so that equal sizes compare equal."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: "Size") -> "Size":
        return _of([*self.terms, *other.terms])

    def __sub__(self, other: "Size") -> "Size":
        return self + known(-1) * other

    def __mul__(self, other: "Size") -> "Size":
        return _of((tuple(sorted(a + b)), x * y) for a, x in self.terms for b, y in other.terms)

    def __str__(self) -> str:
        return (
            " + ".join(
                "*".join([*map(str, [factor] if factor != 1 or not names else []), *names])
                for names, factor in self.terms
            )
            or "0"
        )

    @property
    def value(self) -> int | None:
        """The number, if it is the same for every request."""
        if not self.terms:
            return 0
        [(names, factor), *others] = self.terms
        return None if names or others else factor

    @property
    def low(self) -> int | float:
        """The smallest number that it can be."""
        return sum(factor if not names or factor > 0 else -inf for names, factor in self.terms)

    @property
    def high(self) -> int | float:
        """The largest number that it can be."""
        return sum(factor if not names or factor < 0 else inf for names, factor in self.terms)

    @property
    def symbols(self) -> frozenset[str]:
        """The open sizes in it."""
        return frozenset(name for names, _ in self.terms for name in names)

    def divided(self, by: "Size") -> "Size | None":
        """The quotient if ``by`` is one product and divides every term, whatever the open sizes are."""
        if len(by.terms) != 1:
            return known(1) if self == by else None
        [(names, factor)] = by.terms
        quotient = []
        for own, amount in self.terms:
            rest = list(own)
            for name in names:
                if name not in rest:
                    return None
                rest.remove(name)
            if amount % factor:
                return None
            quotient.append((tuple(rest), amount // factor))
        return _of(quotient)

    def replaced(self, names: Mapping[str, "Size"]) -> "Size":
        """With other sizes in place of some open ones."""
        parts = (reduce(mul, [names.get(n, symbol(n)) for n in own], known(factor)) for own, factor in self.terms)
        return total(parts)


def known(number: int) -> Size:
    """The size that is a number."""
    return Size((((), number),) if number else ())


def symbol(name: str) -> Size:
    """An open size. What is computed of sizes in other ways than by sums and products is one too, by its formula."""
    return Size((((name,), 1),))


def total(sizes: Iterable[Size]) -> Size:
    """The sum."""
    return reduce(lambda a, b: a + b, sizes, known(0))


def product(sizes: Iterable[Size]) -> Size:
    """The product: how many elements a shape has."""
    return reduce(mul, sizes, known(1))


def floor_divided(size: Size, by: int) -> Size:
    """``size // by`` for ``size`` of at least 0, open if it depends on the open ones' remainders."""
    if size.value is not None:
        return known(size.value // by)
    return size.divided(known(by)) or symbol(f"({size})//{by}")


def _of(terms: Iterable[tuple[Monomial, int]]) -> Size:
    sums: dict[Monomial, int] = {}
    for names, factor in terms:
        sums[names] = sums.get(names, 0) + factor
    return Size(tuple(sorted((names, factor) for names, factor in sums.items() if factor)))
