"""Short ways to write the values of pricing's domain in tests."""

from datetime import date
from fractions import Fraction
from typing import Any

from services.pricing.domain.charge import Charge, UsageFilter
from services.pricing.domain.charges.price import FeePrice, Price
from services.pricing.domain.conditions import Conditions
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import RatingTerms
from services.pricing.domain.seats import Seats
from services.pricing.domain.step import Step
from services.pricing.domain.tiers import Tier
from services.pricing.domain.usage import Usage
from services.pricing.domain.words import Words
from shared.currencies import CURRENCIES
from shared.money import exact

NOVEMBER = Period(date(2023, 11, 1), date(2023, 12, 1), 30)
TOKENS = Words(CURRENCIES["USD"], "tokens")
MILLION = Fraction(1_000_000)


def tier(up_to: str | None, unit_amount: str, flat_amount: str = "0") -> Tier:
    bound = None if up_to is None else exact(up_to)
    return Tier(bound, exact(unit_amount), exact(flat_amount))


def claim(*kinds: str, **dimensions: str) -> UsageFilter:
    """Return the filter for some kinds and one value of each other dimension."""
    named = {name: frozenset({value}) for name, value in dimensions.items()}
    return UsageFilter({"kind": frozenset(kinds), **named})


def usage(kind: str, quantity: int | str | Fraction, **values: Any) -> Usage:
    row: dict[str, Any] = {
        "provider": "anthropic",
        "agent": "support-0",
        "model": "claude-sonnet-4-6",
        "kind": kind,
        "context_band": "unknown",
        "service_tier": "",
        "batch": "false",
        "speed": "",
        "region": "",
        "purpose": "production",
        "status": "completed",
        "usage_day": date(2023, 11, 16),
        "quantity": exact(quantity),
    }
    return Usage(**(row | values))


def charged(price: Price, *kinds: str, key: str = "c", **conditions: Any) -> Charge:
    """Return a charge for some kinds (units by default), with conditions around its price."""
    fee = isinstance(price, FeePrice)
    usage_filter = None if fee else claim(*(kinds or ("units",)))
    return Charge(key, key.title(), price, usage_filter, Conditions(**conditions))


def plan(*charges: Charge, **values: Any) -> Plan:
    return Plan("plan", "Plan", charges, **values)


def terms(
    *charges: Charge, seats: int | Seats = 0, period: Period = NOVEMBER, **plan_values: Any
) -> RatingTerms:
    counted = Seats.of(seats) if isinstance(seats, int) else seats
    return RatingTerms("hash", plan(*charges, **plan_values), CURRENCIES["USD"], counted, period)


def fractions(*values: int | str) -> tuple[Fraction, ...]:
    return tuple(Fraction(value) for value in values)


def amounts(steps: list[Step]) -> list[Fraction]:
    return [step.amount for step in steps]


def sentences(steps: list[Step]) -> list[str]:
    return [step.description for step in steps]
