"""Which ratings can be compared with the copy, and what of them is compared by day."""

from datetime import date
from decimal import Decimal

from services.pricing.reconciling import bundles_of, differences_of_bundles
from services.pricing.repository.reconciling import DayQuantity, LastRating

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
MIDDLE = date(2026, 1, 15)


def rating(name: str, start: date, end: date, tenant: str = "acme") -> LastRating:
    return LastRating(name, tenant, f"sub-{name}", start, end, end)


def used(day: date | None, quantity: int, *, kind: str = "output_text") -> DayQuantity:
    return DayQuantity("a", "gpt-5", kind, day, Decimal(quantity))


def test_subscriptions_over_the_same_days_are_compared_together() -> None:
    """Same days: one bundle. Periods behind each other, or other tenants': one each."""
    first, second = rating("a", JANUARY, FEBRUARY), rating("b", JANUARY, FEBRUARY)
    later, other = rating("c", FEBRUARY, MARCH), rating("d", JANUARY, FEBRUARY, "globex")

    bundles, apart = bundles_of([first, second, later, other])

    assert ([(first, second), (later,), (other,)], []) == (bundles, apart)


def test_days_that_overlap_in_part_are_told_apart() -> None:
    """Nobody can say whose usage it is without rating it: left out, and counted."""
    first, second = rating("a", JANUARY, FEBRUARY), rating("b", MIDDLE, FEBRUARY)

    assert ([], [first, second]) == bundles_of([first, second])


def test_each_day_must_agree_though_the_sums_do() -> None:
    """Quantities on the wrong day are two differences; beside unrated usage only sums stand."""
    bundles = [(rating("a", JANUARY, FEBRUARY),)]
    copy = [used(JANUARY, 5), used(MIDDLE, 3)]

    by_day = differences_of_bundles(bundles, rated=[used(JANUARY, 3), used(MIDDLE, 5)], used=copy)
    in_sum = differences_of_bundles(bundles, rated=[used(JANUARY, 3), used(None, 5)], used=copy)

    assert 2 == len(by_day)
    assert [] == in_sum


def test_meters_are_compared_where_both_sides_have_them() -> None:
    """A meter that no charge names is on no statement, a single value is in no copy."""
    bundles = [(rating("a", JANUARY, FEBRUARY),)]
    meter = [used(JANUARY, 5, kind="meter:m@1")]
    wrong = [used(JANUARY, 4, kind="meter:m@1")]

    assert [] == differences_of_bundles(bundles, rated=[], used=meter)
    assert [] == differences_of_bundles(bundles, rated=meter, used=[])
    assert 1 == len(differences_of_bundles(bundles, rated=wrong, used=meter))
