"""Adjustments of billed periods."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.adjustment import (
    BilledPeriod,
    adjustments,
    total_of,
    with_adjustments,
)
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.package import Package
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.commitment import Commitment
from services.pricing.domain.cost.prices import Reason
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.cost.usage_cost import Unpriced, UsageCost, total_cost
from services.pricing.domain.hashing import content_hash, hash_of_rating
from services.pricing.domain.periods import Period, period_from
from services.pricing.domain.pools import Pool
from services.pricing.domain.rating import rate_period
from services.pricing.domain.statement import AdjustedPeriod, RatedStatement
from services.pricing.domain.usage import Usage
from tests.support.pricing_values import charged, fractions, terms, tier, usage

from .cost.test_usage_cost import TABLE

TIERS = (tier("100", "2", "10"), tier("200", "1"), tier(None, "0.5", "50"))
POOL = Pool("pool", "Pool", "quantity", Fraction(50))
PLAN = terms(
    charged(Flat(Fraction(7)), key="fee"),
    charged(Graduated(TIERS), "a", key="a", pools=(POOL,)),
    charged(Volume(TIERS), "b", key="b", minimum=Fraction(20)),
    charged(Package(Fraction(30), Fraction(4)), "c", key="c", pools=(POOL,)),
    charged(PerUnit(Fraction(1)), "d", key="d", commitment=Commitment(Fraction(90))),
)
ROWS = st.lists(
    st.builds(usage, st.sampled_from("abcde"), st.integers(min_value=-300, max_value=300)),
    max_size=10,
)


@given(ROWS, ROWS, ROWS)
def test_billed_at_once_or_in_parts(
    first: list[Usage], late: list[Usage], last: list[Usage]
) -> None:
    """bill(all at once) = bill(first) + adjustments, exactly, whatever came late."""
    billed = rate_period(PLAN, first)
    after_late = rate_period(PLAN, [*first, *late])
    at_once = rate_period(PLAN, [*last, *late, *first])

    adjusted = total_of(adjustments(billed, after_late)) + total_of(
        adjustments(after_late, at_once)
    )

    assert at_once.total == billed.total + adjusted


@given(ROWS)
def test_no_difference_is_no_line(rows: list[Usage]) -> None:
    """The same usage again, in another order, adjusts nothing."""
    assert () == adjustments(rate_period(PLAN, rows), rate_period(PLAN, rows[::-1]))


def test_a_first_rating_is_all_difference() -> None:
    """Without an earlier rating every line is an adjustment."""
    rated = rate_period(PLAN, [usage("a", 5)])

    assert rated.total == total_of(adjustments(None, rated))


def test_rating_late_usage_on_its_own_would_be_caught() -> None:
    """Across the border of a tier, the price of the late part alone is not the difference."""
    first, late = [usage("b", 90)], [usage("b", 90)]
    alone = rate_period(PLAN, late).total

    found = total_of(adjustments(rate_period(PLAN, first), rate_period(PLAN, first + late)))

    assert alone != found


@dataclass(frozen=True)
class Booked:
    """A row of usage, and the day that it is booked on."""

    row: Usage
    booked_day: date


FIRST = date(2023, 11, 1)
MONTHS = 3
LATE = st.builds(
    lambda kind, quantity, used, later: Booked(
        usage(kind, quantity, usage_day=FIRST + timedelta(days=used)),
        FIRST + timedelta(days=used + later),
    ),
    st.sampled_from("abcdex"),
    st.integers(min_value=-200, max_value=300),
    st.integers(0, 60),
    st.integers(0, 60),
)


def months() -> list[Period]:
    periods, start = [], FIRST
    for _ in range(MONTHS):
        period = period_from(start, anchor_day=1)
        assert period is not None
        periods.append(period)
        start = period.end
    return periods


def known(rows: list[Booked], period: Period, by: date) -> RatedStatement:
    """Rate a period by what is booked before a day."""
    plan = terms(*PLAN.plan.charges, period=period)
    used = [
        one.row
        for one in rows
        if period.start <= one.row.usage_day < period.end and one.booked_day < by
    ]
    return rate_period(plan, used, prices=ProviderPrices(TABLE))


def billed(rated: RatedStatement, period: Period) -> BilledPeriod:
    name = AdjustedPeriod("st", "sub", period.start, period.end)
    return BilledPeriod(name, rated.lines, rated.unrated, rated.cost, rated.rating_hash)


def statements(rows: list[Booked]) -> list[RatedStatement]:
    """Bill month by month, each statement with the differences of the months before it."""
    made: list[RatedStatement] = []
    last: dict[Period, RatedStatement] = {}
    for period in months():
        now = {earlier: known(rows, earlier, period.end) for earlier in last}
        pairs = [(billed(last[one], one), now[one]) for one in last]
        last = now | {period: known(rows, period, period.end)}
        made.append(with_adjustments(last[period], pairs))
    return made


@settings(deadline=None)
@given(st.lists(LATE, max_size=9))
def test_months_with_late_usage_come_to_what_they_would_at_once(rows: list[Booked]) -> None:
    """Whatever came late or was corrected: amounts, unrated usage and cost add up exactly."""
    made = statements(rows)

    end = months()[-1].end
    at_once = [known(rows, period, end) for period in months()]
    assert sum(one.total for one in at_once) == sum(one.total for one in made)
    unrated = [sum(row.quantity for row in one.unrated) for one in at_once]
    assert sum(unrated) == sum(row.quantity for one in made for row in one.unrated)
    costs = [total_cost([one.cost for one in some if one.cost]) for some in (at_once, made)]
    assert costs[0].known == costs[1].known


@settings(deadline=None)
@given(st.lists(LATE, max_size=9))
def test_a_statement_with_adjustments_adds_up(rows: list[Booked]) -> None:
    """Steps and details sum to their line, lines to the total; no two lines have one key."""
    for statement in statements(rows):
        assert statement.total == sum(line.amount for line in statement.lines)
        assert len({line.line_key for line in statement.lines}) == len(statement.lines)
        for line in statement.lines:
            assert line.amount == sum(step.amount for step in line.steps)
            if line.details:
                assert line.amount == sum(detail.amount for detail in line.details)


def test_an_adjustment_names_its_period() -> None:
    """Late usage of November stands on December's statement as November's, at November's tier."""
    rows = [
        Booked(usage("b", 90, usage_day=date(2023, 11, 5)), date(2023, 11, 5)),
        Booked(usage("b", 90, usage_day=date(2023, 11, 6)), date(2023, 12, 3)),
    ]

    line = next(one for one in statements(rows)[1].lines if one.adjusts)

    assert "B, adjustment of 2023-11-01 to 2023-11-30" == line.name
    assert "~adjustment/2023-11-01/sub/002-b" == line.line_key
    # All 180 at 1, less 90 at 2 and the flat fee of 10.
    assert (Fraction(90), Fraction(-10)) == (line.quantity, line.amount)
    assert ["180 b rated again", "less what was billed before, for 90 b"] == [
        step.description for step in line.steps
    ]


def test_without_late_usage_nothing_changes() -> None:
    """A statement without closed periods to rate again is the period's own, to the hash."""
    rated = rate_period(PLAN, [usage("a", 5)])

    assert rated is with_adjustments(rated, [])


def cost_of(*rows: tuple[str, int]) -> UsageCost:
    """Return a cost with usage of these models that has none."""
    unpriced = (
        Unpriced("anthropic", model, "a", Reason.UNKNOWN_MODEL, Fraction(quantity))
        for model, quantity in rows
    )
    return UsageCost(unpriced=tuple(unpriced))


def test_what_has_a_price_by_now_hides_nothing_of_the_period_itself() -> None:
    """A closed period lacks a price for less than before: the period's own 10 are still told."""
    own = replace(rate_period(PLAN, []), cost=cost_of(("x", 10)))
    rated = rate_period(PLAN, [])
    last = replace(billed(rated, months()[0]), cost=cost_of(("x", 8), ("y", 5), ("z", 3)))
    now = replace(rated, cost=cost_of(("x", 2), ("y", 6), ("z", 3)))

    told = with_adjustments(own, [(last, now)]).cost

    assert told is not None
    found = {row.model: row.quantity for row in told.unpriced}
    assert {"x": Fraction(10), "y": Fraction(1)} == found


def only(rated: RatedStatement, charge: str, cost: UsageCost | None = None) -> RatedStatement:
    """Return a rating with one of its lines, and what that costs."""
    lines = tuple(replace(line, cost=cost) for line in rated.lines if line.charge == charge)
    return replace(rated, lines=lines)


def test_the_details_of_a_difference_are_differences() -> None:
    """By day: 20 taken back of one, 50 more on the next; each at what it changed."""
    first, second = date(2023, 11, 5), date(2023, 11, 6)
    before = [usage("d", 100, usage_day=first)]
    later = [usage("d", -20, usage_day=first), usage("d", 50, usage_day=second)]
    last, now = rate_period(PLAN, before), rate_period(PLAN, [*before, *later])

    (line,) = adjustments(last, now)

    assert [(first, *fractions(-20, -20)), (second, *fractions(50, 50))] == [
        (detail.usage_day, detail.quantity, detail.amount) for detail in line.details
    ]
    assert {"adjustment"} == {step.step for step in line.steps}
    assert [130, -100] == [step.amount for step in line.steps]
    (gone,) = adjustments(only(last, "d"), only(now, "nothing"))
    assert [(first, *fractions(-100, -100))] == [
        (d.usage_day, d.quantity, d.amount) for d in gone.details
    ]


def test_a_difference_of_what_has_no_details_has_none() -> None:
    """A minimum without usage belongs to no day; the usage that came since does not explain it."""
    late = [usage("b", 30)]

    (line,) = adjustments(rate_period(PLAN, []), rate_period(PLAN, late))

    assert (Fraction(50), []) == (line.amount, list(line.details))


def test_the_cost_of_a_difference_is_what_is_newly_known() -> None:
    """After less before; what is unpriced still, stays so; unknown on one side is unknown."""
    rows = [[usage("d", 100)], [usage("d", 150)]]
    last, now = (rate_period(PLAN, some) for some in rows)
    known = UsageCost(Fraction(5), any_priced=True)
    still = replace(cost_of(("x", 2)), known=Fraction(9), any_priced=True)

    def cost(before: UsageCost | None, after: UsageCost | None) -> UsageCost | None:
        (line,) = adjustments(only(last, "d", before), only(now, "d", after))
        return line.cost

    assert replace(still, known=Fraction(4)) == cost(known, still)
    assert (None, None) == (cost(None, known), cost(known, None))
    (new,) = adjustments(only(last, "nothing"), only(now, "d", known))
    (gone,) = adjustments(only(last, "d", known), only(now, "nothing"))
    assert (known, UsageCost(Fraction(-5))) == (new.cost, gone.cost)


def test_the_cost_of_a_statement_holds_what_is_newly_known() -> None:
    """The period's own, and the differences of closed ones, where both sides are known."""
    own = replace(rate_period(PLAN, []), cost=UsageCost())
    rated = rate_period(PLAN, [])
    last = billed(rated, months()[0])
    known = UsageCost(Fraction(7), any_priced=True)

    told = [
        with_adjustments(own, [(replace(last, cost=before), replace(rated, cost=after))]).cost
        for before, after in ((UsageCost(Fraction(2)), known), (None, known), (known, None))
    ]

    assert [UsageCost(Fraction(5), any_priced=True), UsageCost(), UsageCost()] == told


def test_the_hashes_of_a_statement_tell_its_adjustments() -> None:
    """Another period, last rating or usage of a closed period is another input."""
    own, rated = rate_period(PLAN, []), rate_period(PLAN, [usage("d", 95)])
    last = billed(own, months()[0])
    pairs = [
        (last, rated),
        (billed(own, months()[1]), rated),
        (replace(last, rating_hash="other"), rated),
        (last, replace(rated, input_hash="other")),
    ]

    made = [with_adjustments(own, [pair]) for pair in pairs]
    other = with_adjustments(replace(own, input_hash="other"), [(last, rated)])

    assert 6 == len({one.input_hash for one in (own, *made, other)})
    assert all(one.rating_hash == hash_of_rating(one.lines, one.unrated, one.total) for one in made)
    period = vars(last.period)
    adjusted = {"adjusted": [[period, last.rating_hash, rated.input_hash]]}
    assert content_hash({"period": own.input_hash} | adjusted) == made[0].input_hash
