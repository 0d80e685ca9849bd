"""Models at prices that a person can reckon with, some of which lack a few."""

from datetime import date
from fractions import Fraction

from services.pricing.domain.cost.prices import PriceHistory, PriceKey, PriceTable, UnitPrice
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.usage import Usage

DAY = date(2026, 3, 1)
_LISTED = {
    "dear": {
        "input_uncached": "10",
        "input_cache_read": "1",
        "input_cache_write_5m": "12.5",
        "input_cache_write_1h": "20",
        "output_text": "50",
        "output_reasoning": "50",
    },
    "cheap": {
        "input_uncached": "2",
        "input_cache_read": "0.5",
        "input_cache_write_5m": "2.5",
        "input_cache_write_1h": "4",
        "output_text": "8",
        "output_reasoning": "8",
    },
    "plain": {"input_uncached": "3", "output_text": "9"},
    "simple": {"input_uncached": "3", "input_cache_read": "0.3", "output_text": "9"},
    "even": {
        "input_uncached": "1",
        "input_cache_read": "1",
        "input_cache_write": "0.5",
        "output_text": "1",
    },
    "odd": {"input_cache_read": "1", "output_text": "8"},
}
PRICES = ProviderPrices(
    PriceTable(
        {
            PriceKey("lab", model, kind): PriceHistory(
                (date(2023, 1, 1),), (UnitPrice(Fraction(amount)),)
            )
            for model, kinds in _LISTED.items()
            for kind, amount in kinds.items()
        },
        {"lab": {model: ("lab", model) for model in _LISTED}},
    )
)


def dollars(*amounts: int | str) -> tuple[Fraction, ...]:
    """Return exact amounts."""
    return tuple(map(Fraction, amounts))


def used(
    kind: str,
    quantity: int,
    *,
    model: str = "dear",
    agent: str = "coder",
    status: str = "completed",
) -> Usage:
    """Return a row of usage."""
    return Usage(
        provider="lab",
        agent=agent,
        model=model,
        kind=kind,
        context_band="32k",
        service_tier="",
        batch="false",
        speed="",
        region="",
        purpose="production",
        status=status,
        usage_day=DAY,
        quantity=Fraction(quantity),
    )
