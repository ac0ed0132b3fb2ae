"""Sizes as polynomials."""

import pytest

from serving.openvino.sizes import Size, floor_divided, known, product, symbol, total

N, T = symbol("N"), symbol("T")


def test_equal_sizes_are_equal_however_they_are_computed() -> None:
    """The order of terms and factors is of no consequence."""
    assert (N + known(2)) * T == T * N + T + T
    assert known(0) == N - N
    assert hash(N * T) == hash(T * N)


@pytest.mark.parametrize(
    ("size", "by", "expected"),
    [
        (N * known(6), known(3), N * known(2)),
        (N * T * known(64), N, T * known(64)),
        (N * known(3), known(5), None),
        (N + known(1), N, None),
        (known(12), known(4), known(3)),
        (N + T, N + T, known(1)),
    ],
)
def test_a_quotient_is_one_for_every_request_or_none(size: Size, by: Size, expected: Size | None) -> None:
    """Only what divides every term divides the sum whatever the open sizes are."""
    assert size.divided(by) == expected


def test_range_of_a_size() -> None:
    """Open sizes are at least 1."""
    assert (N * known(3) + known(2)).low == 5
    assert (known(5) - N).low == float("-inf")
    assert (known(5) - N).high == 4
    assert known(7).value == 7
    assert N.value is None


def test_remainders_of_open_sizes_are_open() -> None:
    """The same formula is the same size, another one is not."""
    assert floor_divided(N + known(1), 2) == floor_divided(known(1) + N, 2)
    assert floor_divided(N, 2) != floor_divided(T, 2)
    assert floor_divided(N * known(4), 2) == N * known(2)
    assert floor_divided(known(7), 2) == known(3)


def test_sums_and_products() -> None:
    """Of nothing, they are 0 and 1."""
    assert total([N, T, N]) == N * known(2) + T
    assert total([]) == known(0)
    assert product([]) == known(1)


def test_replaced() -> None:
    """One open size can be another."""
    assert (N * T + N).replaced({"T": N}) == N * N + N
