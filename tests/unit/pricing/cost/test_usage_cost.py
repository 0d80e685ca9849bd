"""Cost of lines and statements: known, partly known, unknown; never zero for want of a price."""

from datetime import date
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.charges.cost_plus import CostPlus
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.surcharge import Surcharge
from services.pricing.domain.cost.prices import (
    PriceHistory,
    PriceKey,
    PriceTable,
    Reason,
    UnitPrice,
)
from services.pricing.domain.cost.provider_cost import ProviderPrices, provider_cost
from services.pricing.domain.cost.usage_cost import Unpriced, usage_cost
from services.pricing.domain.rating import rate_period
from services.pricing.domain.usage import Usage
from tests.support.pricing_values import charged, terms, usage

MODEL = "claude-sonnet-4-6"
TABLE = PriceTable(
    {
        PriceKey("anthropic", MODEL, kind): PriceHistory((date(2023, 1, 1),), (UnitPrice(amount),))
        for kind, amount in (("a", Fraction(1, 3)), ("b", Fraction(2)))
    },
    {"anthropic": {MODEL: ("anthropic", MODEL)}},
)
PRICES = ProviderPrices(TABLE)
PLAN = terms(
    charged(Flat(Fraction(7)), key="fee"),
    charged(PerUnit(Fraction(5)), "a", "c", key="use"),
    charged(Surcharge(Fraction(1)), "a", key="beside"),
)
ROWS = st.lists(
    st.builds(
        usage,
        st.sampled_from(["a", "b", "c", "meter:x@1"]),
        st.integers(-100, 100),
        agent=st.sampled_from("xy"),
    ),
    max_size=8,
)


@given(ROWS)
def test_it_is_the_sum_of_the_rows(rows: list[Usage]) -> None:
    """Summed by price, the cost is that of the rows one by one; unpriced rows are the same."""
    one_by_one = provider_cost(rows, PRICES)

    found = usage_cost(rows, PRICES)

    assert one_by_one.total == found.known
    assert sum(r.usage.quantity for r in one_by_one.unpriced) == sum(
        r.quantity for r in found.unpriced
    )


def test_lines_carry_what_their_usage_costs() -> None:
    """Fees and surcharges have no usage of their own; unrated usage costs its vendor, too."""
    rated = rate_period(PLAN, [usage("a", 6), usage("b", 1)], prices=PRICES)

    assert {"fee": None, "use": Fraction(2), "beside": None} == {
        line.charge: line.cost and line.cost.known for line in rated.lines
    }
    assert rated.cost is not None
    assert ("priced", Fraction(4)) == (rated.cost.state, rated.cost.known)
    assert rated.total - 4 == rated.cost.margin(rated.total).amount


def test_what_has_no_price_is_a_state() -> None:
    """A line with some unpriced usage has a known part and no margin, one with nothing else none.

    The variant that takes the known part for all of it would show a margin.
    """
    some = rate_period(PLAN, [usage("a", 6), usage("c", 5)], prices=PRICES)
    none = rate_period(PLAN, [usage("c", 5)], prices=PRICES)

    assert some.cost is not None
    assert none.cost is not None
    assert ["partly_priced", "unpriced"] == [some.cost.state, none.cost.state]
    assert (Unpriced("anthropic", MODEL, "c", Reason.NO_PRICE_FOR_KIND, Fraction(5)),) == (
        some.cost.unpriced
    )
    assert some.cost.margin(some.total).amount is None
    assert some.total - some.cost.known > 0


@given(ROWS)
def test_costs_change_no_hash_where_no_price_depends_on_them(rows: list[Usage]) -> None:
    """With and without costs a statement is the same, to the hash."""
    plain, costed = rate_period(PLAN, rows), rate_period(PLAN, rows, prices=PRICES)

    assert (plain.input_hash, plain.rating_hash) == (costed.input_hash, costed.rating_hash)


def test_cost_plus_takes_its_costs_from_the_prices() -> None:
    """What the provider takes is looked up; what has no price stays unrated."""
    plan = terms(charged(CostPlus(Fraction(2)), "a", "c"))

    rated = rate_period(plan, [usage("a", 6), usage("c", 5)], prices=PRICES)

    assert (Fraction(4), [Fraction(5)]) == (rated.total, [row.quantity for row in rated.unrated])
    assert rate_period(plan, [usage("a", 6)]).total == 0
