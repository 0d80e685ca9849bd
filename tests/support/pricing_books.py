"""The demo's price book and rows of usage, as tests of pricing write them."""

from datetime import date
from decimal import Decimal
from typing import Any

from shared.events.usage_aggregated import TenantDay, UsageRow

MILLION = "1000000"


def per_million(key: str, name: str, unit_amount: str, **usage: list[str]) -> dict[str, Any]:
    """Return a per-unit charge for a million tokens."""
    return {
        "model": "per_unit",
        "key": key,
        "name": name,
        "usage": usage,
        "per": MILLION,
        "unit_amount": unit_amount,
    }


def demo_book() -> dict[str, Any]:
    """Return the demo's book: three plans, one for each tenant."""
    return {
        "currency": "USD",
        "charges": [
            per_million(
                "gpt-5-input", "gpt-5, input", "1.50", kinds=["input_uncached"], models=["gpt-5"]
            ),
            per_million(
                "gpt-5-output", "gpt-5, output", "12.00", kinds=["output_text"], models=["gpt-5"]
            ),
            per_million(
                "gpt-5-mini-input",
                "gpt-5-mini, input",
                "0.30",
                kinds=["input_uncached"],
                models=["gpt-5-mini"],
            ),
            per_million(
                "gpt-5-mini-output",
                "gpt-5-mini, output",
                "2.40",
                kinds=["output_text"],
                models=["gpt-5-mini"],
            ),
            {"model": "flat", "key": "platform", "name": "Platform fee", "amount": "500.00"},
            {
                "model": "graduated",
                "key": "support-input",
                "name": "Input",
                "usage": {"kinds": ["input_uncached"]},
                "per": MILLION,
                "tiers": [
                    {"up_to": "10000000", "unit_amount": "4.00"},
                    {"up_to": "20000000", "unit_amount": "3.50"},
                    {"up_to": None, "unit_amount": "3.00"},
                ],
            },
            per_million("support-output", "Output", "18.00", kinds=["output_text"]),
            {"model": "per_seat", "key": "seats", "name": "Seats", "unit_amount": "20.00"},
            {
                "model": "volume",
                "key": "research-input",
                "name": "Input",
                "usage": {"kinds": ["input_uncached"]},
                "per": MILLION,
                "tiers": [
                    {"up_to": "50000000", "unit_amount": "2.50"},
                    {"up_to": None, "unit_amount": "2.20"},
                ],
            },
            per_million("research-cache", "Cache read", "0.25", kinds=["input_cache_read"]),
            per_million("research-output", "Output", "14.00", kinds=["output_text"]),
        ],
        "plans": [
            {
                "key": "acme",
                "name": "Coding agents",
                "charges": [
                    "gpt-5-input",
                    "gpt-5-output",
                    "gpt-5-mini-input",
                    "gpt-5-mini-output",
                ],
            },
            {
                "key": "globex",
                "name": "Support agents",
                "charges": ["platform", "support-input", "support-output"],
            },
            {
                "key": "initech",
                "name": "Research agents",
                "charges": ["seats", "research-input", "research-cache", "research-output"],
            },
        ],
    }


def usage_row(day: date, kind: str, quantity: int, **values: Any) -> UsageRow:
    """Return a row of usage booked on the day on which it happened."""
    row = {
        "provider": "anthropic",
        "agent": "support-0",
        "model": "claude-sonnet-4-6",
        "kind": kind,
        "context_band": "unknown",
        "service_tier": "",
        "batch": False,
        "speed": "",
        "region": "",
        "purpose": "production",
        "status": "completed",
        "usage_day": day,
        "booked_day": day,
        "entry": "usage",
        "quantity": Decimal(quantity),
        "events": 1,
    }
    return UsageRow.model_validate(row | values)


def tenant_day(tenant_id: str, rows: list[UsageRow]) -> TenantDay:
    """Return what a seal says of a tenant's day with these rows."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row.kind] = sums.get(row.kind, Decimal(0)) + row.quantity
    return TenantDay(tenant_id=tenant_id, rows=len(rows), sums=sums)
