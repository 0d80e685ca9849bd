"""Short ways to write the values of pricing's domain in tests."""

from datetime import date
from fractions import Fraction
from typing import Any

from services.pricing.domain.charges import Charge, Tier, UsageFilter
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import RatingTerms
from services.pricing.domain.step import Step
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


def usage(kind: str, quantity: int | str, **values: Any) -> Usage:
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


def terms(*charges: Charge, seats: int = 0, period: Period = NOVEMBER) -> RatingTerms:
    return RatingTerms("hash", "plan", CURRENCIES["USD"], charges, seats, period)


def amounts(steps: list[Step]) -> list[Fraction]:
    return [step.amount for step in steps]


def sentences(steps: list[Step]) -> list[str]:
    return [step.description for step in steps]
