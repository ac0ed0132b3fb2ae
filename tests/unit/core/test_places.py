"""Places: one for each at least, no more than there are otherwise, and those written off are others'."""

from serving.core.places import MOST_LOST, Places


def taken(places: Places, who: str, times: int) -> int:
    """How many of so many that are asked for are given."""
    return sum(places.take(who) for _ in range(times))


def test_each_has_one() -> None:
    """One takes all there are; who has none gets one more, and only one."""
    places = Places(3)
    assert (taken(places, "a", 5), places.full) == (3, True)
    assert (taken(places, "b", 5), taken(places, "c", 5)) == (1, 1)


def test_given_back_is_taken_again() -> None:
    """Not before those beyond the number are gone too, but by who has none."""
    places = Places(1)
    assert (places.take("a"), places.take("b")) == (True, True)
    places.give_back("a")
    assert (places.take("b"), places.take("a")) == (False, True)
    places.give_back("a")
    places.give_back("b")
    assert (places.full, places.take("b")) == (False, True)


def test_nobody_has_a_place_of_none() -> None:
    """Without places there is none for those who have none either."""
    assert not Places(0).take("a")


def test_written_off_places_are_bounded() -> None:
    """Each makes room for another, until too many are lost; one that is found makes room to lose another."""
    places = Places(1)
    for _ in range(MOST_LOST):
        assert (places.take("a"), places.write_off("a")) == (True, True)
    assert (places.take("a"), places.write_off("a"), places.take("a")) == (True, False, False)
    places.found()
    assert (places.write_off("a"), places.take("a")) == (True, True)
