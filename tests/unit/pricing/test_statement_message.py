"""Rated periods as messages: nothing of the trace is lost."""

from fractions import Fraction

from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.cost.prices import Reason
from services.pricing.domain.cost.usage_cost import Unpriced, UsageCost
from services.pricing.domain.pools import Pool
from services.pricing.domain.rating import rate_period
from services.pricing.handlers.statement_message import cost_of, line_of, unpriced_of
from tests.support.pricing_values import charged, terms, usage

POOL = Pool("p", "Pool", "quantity", Fraction(10))


def test_a_line_carries_pools_and_what_was_blocked() -> None:
    """What was included and what was not served stand beside the steps."""
    plan = terms(charged(PerUnit(Fraction(1)), pools=(POOL,), overage="block"))

    line = line_of(rate_period(plan, [usage("units", 12)]).lines[0], "USD")

    assert [("p", "10", "10", "0")] == [
        (use.pool, use.included_exact, use.used_exact, use.remaining_exact) for use in line.pools
    ]
    assert ("2", 3) == (line.blocked_exact, len(line.steps))


def test_a_margin_is_in_us_dollars() -> None:
    """The cost is shown beside any currency, a margin only where both are the same."""
    cost = UsageCost(Fraction(1, 3), any_priced=True)

    dollars, euros = (cost_of(cost, Fraction(1), currency) for currency in ("USD", "EUR"))

    assert dollars is not None
    assert euros is not None
    assert ("1/3", "2/3") == (dollars.amount_exact, dollars.margin_exact)
    assert ("1/3", None) == (euros.amount_exact, euros.margin_exact)


def test_an_unknown_cost_is_null_and_listed() -> None:
    """Neither 0 nor left out: the state says unpriced, the usage is named with its reason."""
    row = Unpriced("x-ai", "grok-9", "output_text", Reason.UNKNOWN_MODEL, Fraction(3))
    cost = UsageCost(unpriced=(row,))

    shown = cost_of(cost, Fraction(1), "USD")

    assert shown is not None
    assert ("unpriced", None, None) == (shown.state, shown.amount_exact, shown.margin_exact)
    assert [("grok-9", "unknown_model")] == [(u.model, u.reason) for u in unpriced_of(cost)]
    assert cost_of(None, Fraction(1), "USD") is None
