"""A period in parts: each part at its own version, what came before it counted (rules 6.6)."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.package import Package
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.percentage import Percentage
from services.pricing.domain.charges.price import Price
from services.pricing.domain.charges.surcharge import Surcharge
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.plan import Plan
from services.pricing.domain.pools import Measure, Pool
from services.pricing.domain.readings import Readings, UsageOfSeat
from services.pricing.domain.seats import Seats
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.statement import Line
from tests.support.pricing_values import charged, fractions, plan, tier, usage
from tests.support.split_values import DOLLAR, SPLIT, part, rate, used


def fee_days(line: Line) -> tuple[date, date]:
    assert line.advance is not None
    return line.advance.period_start, line.advance.period_end


def total(old: Price, new: Price, first: int, second: int) -> Fraction:
    return rate(plan(charged(old)), plan(charged(new)), used(first, second)).total


@pytest.mark.parametrize(
    ("old", "new", "comes_to"),
    [
        # 8 at 3, then 12 more from the 9th on: 2 at 4, 10 at 2.
        (
            Graduated((tier("10", "3"), tier(None, "1"))),
            Graduated((tier("10", "4"), tier(None, "2"))),
            8 * 3 + 2 * 4 + 10 * 2,
        ),
        # The flat fee of tier 1 was charged by the old version; that of tier 2 is due now.
        (
            Graduated((tier("10", "3", "7"), tier(None, "1", "9"))),
            Graduated((tier("10", "4", "70"), tier(None, "2", "90"))),
            8 * 3 + 7 + 2 * 4 + 10 * 2 + 90,
        ),
        # The old version entered its tier 2 and charged its flat fee: the new one's is not due.
        (
            Graduated((tier("5", "3", "7"), tier(None, "1", "9"))),
            Graduated((tier("10", "4", "70"), tier(None, "2", "90"))),
            5 * 3 + 7 + 3 * 1 + 9 + 2 * 4 + 10 * 2,
        ),
        # All 20 reach tier 2 of both versions; each part pays its own.
        (
            Volume((tier("10", "3"), tier(None, "1"))),
            Volume((tier("10", "4"), tier(None, "2"))),
            8 * 1 + 12 * 2,
        ),
        # 8 began 2 blocks of 5; all 20 are 4, so the second part pays the 2 beyond.
        (Package(Fraction(5), Fraction(3)), Package(Fraction(5), Fraction(4)), 2 * 3 + 2 * 4),
        (PerUnit(Fraction(3)), PerUnit(Fraction(4)), 8 * 3 + 12 * 4),
    ],
)
def test_each_part_pays_its_own_version(old: Price, new: Price, comes_to: int) -> None:
    """8 units before the split and 12 after it: the second part goes on where the first ended."""
    assert comes_to == total(old, new, 8, 12)


def test_fees_are_by_days() -> None:
    """Half of November at 300, half at 900; the line says which days."""
    rated = rate(plan(charged(Flat(Fraction(300)))), plan(charged(Flat(Fraction(900)))), [])

    (line,) = rated.lines
    assert [Fraction(150), Fraction(450)] == [step.amount for step in line.steps]
    assert (
        "2023-11-16 to 2023-11-30: 900.00 USD for the period, 15 of 30 days"
        == line.steps[1].description
    )


def test_pools_are_by_days_and_one_pool() -> None:
    """Half of 100 and half of 300 are 200, whenever they are used."""
    old, new = (
        plan(charged(PerUnit(Fraction(1)), pools=(Pool("p", "Pool", "quantity", Fraction(held)),)))
        for held in (100, 300)
    )

    assert 0 == rate(old, new, used(200, 0)).total
    assert 1 == rate(old, new, used(100, 101)).total


def test_bounds_are_by_days() -> None:
    """A minimum of 100 in the first half alone is 50; a maximum there bounds that half alone."""
    price = PerUnit(Fraction(1))

    assert 50 == rate(plan(charged(price, minimum=Fraction(100))), plan(charged(price)), []).total
    capped = rate(plan(charged(price, maximum=Fraction(10))), plan(charged(price)), used(80, 80))
    assert 5 + 80 == capped.total


def test_another_charge_or_book_begins_anew() -> None:
    """Charges of one key in one book are one charge; any other has its own tiers and line."""
    price = Graduated((tier("10", "3"), tier(None, "1")))
    old = plan(charged(price))

    other_key = rate(old, plan(charged(price, key="d")), used(10, 10))
    other_book = rate(old, old, used(10, 10), book="other")

    assert [30, 30] == [line.amount for line in other_key.lines]
    assert ["000-c", "001-c"] == [line.line_key for line in other_book.lines]
    assert 60 == other_book.total


def test_a_pause_has_no_fees_but_charges_usage() -> None:
    """What is due by days is not due in a pause; usage in it is charged, its tiers go on."""
    price = Graduated((tier("10", "3"), tier(None, "1")))
    sold = plan(charged(Flat(Fraction(300)), key="fee"), charged(price), minimum=Fraction(40))
    parts = (part(sold, second=False), part(sold, second=True, charged="usage"))
    rated = rate_parts(SplitTerms(parts, DOLLAR), used(10, 10))

    assert {"fee": 150, "c": 40} == {line.charge: line.amount for line in rated.lines}
    assert 150 + 40 == rated.total


def test_a_trial_is_free_and_shown() -> None:
    """Usage of a trial stands on a line that costs nothing, and fills no tier."""
    price = Graduated((tier("10", "3"), tier(None, "1")))
    sold = plan(charged(Flat(Fraction(300)), key="fee"), charged(price))
    parts = (part(sold, second=False, charged="nothing"), part(sold, second=True))
    rated = rate_parts(SplitTerms(parts, DOLLAR), used(10, 10))

    assert [10, 1, 10] == [line.quantity for line in rated.lines]
    assert [0, 150, 30] == [line.amount for line in rated.lines]
    assert ["10 units in the trial up to 2023-11-15, not charged"] == [
        step.description for step in rated.lines[0].steps
    ]


def test_usage_that_no_charge_of_its_part_claims_is_unrated() -> None:
    """A charge that comes with the second part does not reach back."""
    old, new = plan(charged(Flat(Fraction(1)), key="fee")), plan(charged(PerUnit(Fraction(1))))

    assert [8] == [row.quantity for row in rate(old, new, used(8, 12)).unrated]


def test_usage_from_before_the_period_belongs_to_its_first_part() -> None:
    """What came late is booked in this period, though its day is an earlier one."""
    late = [usage("units", 5, usage_day=date(2023, 10, 30))]

    assert (
        15
        == rate(
            plan(charged(PerUnit(Fraction(3)))), plan(charged(PerUnit(Fraction(4)))), late
        ).total
    )


def test_parts_have_no_gap() -> None:
    """A day that no part has would be rated by nobody."""
    first, second = part(plan(), second=False), part(plan(), second=True)

    with pytest.raises(ValueError, match="without a gap"):
        SplitTerms((second, first), DOLLAR)
    with pytest.raises(ValueError, match="has a part"):
        SplitTerms((), DOLLAR)


def test_every_term_is_in_the_hash() -> None:
    """Another plan, version, pause or seat count in any part is another input."""
    sold = plan(charged(Flat(Fraction(1))))
    first, second = part(sold, second=False), part(sold, second=True)
    others = [
        part(sold, second=True, charged="usage"),
        part(sold, second=True, book="other"),
        Part(second.period, sold, "book", "other hash", Seats.of(2)),
        Part(second.period, sold, "book", "hash", Seats.of(3)),
        Part(second.period, sold, "book", "hash", Seats.of(2), overrides=[{"key": "c"}]),
    ]
    hashes = {
        rate_parts(SplitTerms((first, one), DOLLAR), []).input_hash for one in (second, *others)
    }

    assert 6 == len(hashes)


def seats_used(first: int, second: int) -> tuple[Readings, Readings]:
    """Return what the holder of one seat used in each half."""
    halves = ((date(2023, 11, 3), first), (date(2023, 11, 20), second))
    return tuple(  # type: ignore[return-value]
        Readings(usage_of_seats=(UsageOfSeat("s", "", "a", "m", "units", "", day, Fraction(used)),))
        for day, used in halves
    )


def test_pools_of_seats_are_by_days() -> None:
    """A seat has half of 10 and half of 30; what it does not use nobody else can."""
    parts = []
    for second, (held, read) in enumerate(zip((10, 30), seats_used(15, 10), strict=True)):
        own = Pool(
            "p", "Pool", "quantity", included_per_seat={"": Fraction(held)}, scope="per_seat"
        )
        sold = plan(charged(PerUnit(Fraction(1)), pools=(own,)))
        parts.append(replace(part(sold, second=bool(second)), readings=read))

    assert 5 == rate_parts(SplitTerms(tuple(parts), DOLLAR), used(15, 10)).total


def test_a_pool_that_ended_before_the_period_holds_nothing() -> None:
    """A promotion of October is over in November."""
    old = Pool("p", "Pool", "quantity", Fraction(100), ends_on=date(2023, 10, 31))
    sold = plan(charged(PerUnit(Fraction(1)), pools=(old,)))

    assert 20 == rate(sold, sold, used(10, 10)).total


@pytest.mark.parametrize(("measure", "comes_to"), [("quantity", 20), ("amount", 15)])
def test_what_is_blocked_in_one_part_is_not_billed(measure: Measure, comes_to: int) -> None:
    """Above a pool of 10 the first part is blocked: its 10 units, or its half of 30 dollars."""
    price, pool = PerUnit(Fraction(1)), Pool("p", "Pool", measure, Fraction(10))
    blocked = plan(charged(price, pools=(pool,), overage="block"))
    allowed = plan(charged(price, pools=(pool,)))

    assert 0 == rate(blocked, blocked, used(20, 20)).total
    assert comes_to == rate(blocked, allowed, used(20, 20)).total


def test_a_fee_in_advance_names_the_days_of_its_parts() -> None:
    """One charge of one book is a line for all of the period; another book's is for its part."""
    fee = plan(charged(Flat(Fraction(300), "in_advance"), key="fee"))
    start, end = date(2023, 11, 1), date(2023, 12, 1)
    lines = [rate(fee, fee, []).lines, rate(fee, fee, [], book="other").lines[:2]]

    assert [[300], [150, 150]] == [[line.amount for line in found] for found in lines]
    assert [[(start, end)], [(start, SPLIT), (SPLIT, end)]] == [
        [fee_days(line) for line in found] for found in lines
    ]


def test_events_that_were_not_read_are_unrated() -> None:
    """A price of single events waits for them in each part; read, allowances count once."""
    price = Percentage(Fraction(10), fixed_amount=Fraction(1), free_events=1)
    sold = plan(charged(price))
    parts = [part(sold, second=second) for second in (False, True)]
    read = [
        replace(one, readings=Readings(events={"units": (Fraction(count),)}))
        for one, count in zip(parts, (100, 200), strict=True)
    ]

    rows = used(100, 200)
    assert [300] == [
        row.quantity for row in rate_parts(SplitTerms(tuple(parts), DOLLAR), rows).unrated
    ]
    assert 21 == rate_parts(SplitTerms(tuple(read), DOLLAR), rows).total


def test_a_part_without_usage_adds_nothing() -> None:
    """No step, no flat fee."""
    price = Graduated((tier("10", "3", "7"), tier(None, "1")))

    assert 8 * 3 + 7 == total(price, price, 8, 0)
    assert 8 * 3 + 7 == total(price, price, 0, 8)
    assert 12 == total(Volume((tier(None, "1"),)), Volume((tier(None, "5", "9"),)), 12, 0)


def test_a_surcharge_comes_beside_in_each_part() -> None:
    """On top of what the usage costs, at the amount of its part."""
    old, new = (
        plan(charged(PerUnit(Fraction(1))), charged(Surcharge(Fraction(more)), key="more"))
        for more in (2, 5)
    )

    assert {"c": 20, "more": 8 * 2 + 12 * 5} == {
        line.charge: line.amount for line in rate(old, new, used(8, 12)).lines
    }


def pooled(*kinds: str) -> Plan:
    """Return a plan with a charge for each kind, which share a pool of 100."""
    pool = Pool("p", "Pool", "quantity", Fraction(100))
    return plan(*(charged(PerUnit(Fraction(1)), kind, key=kind, pools=(pool,)) for kind in kinds))


def test_a_charge_that_comes_later_shares_what_the_others_left() -> None:
    """The second half sells b as well: a has taken 80 of the 100, so 20 of b's 30 are included."""
    rows = [
        usage("a", 80, usage_day=date(2023, 11, 3)),
        usage("b", 30, usage_day=date(2023, 11, 20)),
    ]

    rated = rate(pooled("a"), pooled("a", "b"), rows)

    assert {"a": 0, "b": 10} == {line.charge: line.amount for line in rated.lines}
    assert [fractions(80, 20), fractions(20, 0)] == [
        (use.used, use.remaining) for line in rated.lines for use in line.pools
    ]


def test_a_charge_takes_from_a_pool_what_its_own_days_hold() -> None:
    """Sold in the second half alone, b reaches that half of the pool, 50, and no more."""
    rows = [usage("b", 60, usage_day=date(2023, 11, 20))]

    rated = rate(pooled("a"), pooled("a", "b"), rows)

    assert {"b": 10} == {line.charge: line.amount for line in rated.lines}


def test_a_pool_that_is_used_up_gives_nothing_and_takes_nothing() -> None:
    """All of the pool went to a: what b used is billed, and not a unit more."""
    rows = [
        usage("a", 120, usage_day=date(2023, 11, 3)),
        usage("b", 30, usage_day=date(2023, 11, 20)),
    ]

    rated = rate(pooled("a"), pooled("a", "b"), rows)

    assert {"a": 20, "b": 30} == {line.charge: line.amount for line in rated.lines}


def test_a_class_of_seats_that_comes_later_has_its_days() -> None:
    """Premium seats have units in the second half alone: half of 30, in a pool of each seat."""
    day = date(2023, 11, 20)
    read = Readings(
        usage_of_seats=(
            UsageOfSeat("ann", "premium", "a", "m", "units", "", day, Fraction(20)),
            UsageOfSeat("bob", "", "a", "m", "units", "", day, Fraction(20)),
        )
    )
    parts = []
    for second, classes in enumerate(({"": 10}, {"": 10, "premium": 30})):
        units = {name: Fraction(held) for name, held in classes.items()}
        own = Pool("p", "Pool", "quantity", included_per_seat=units, scope="per_seat")
        sold = part(plan(charged(PerUnit(Fraction(1)), pools=(own,))), second=bool(second))
        seats = Seats({"": 1, "premium": 1})
        parts.append(replace(sold, seats=seats, readings=read if second else Readings()))

    (line,) = rate_parts(SplitTerms(tuple(parts), DOLLAR), used(0, 40)).lines

    assert [Fraction(25)] == [use.used for use in line.pools]
