"""Rows of usage, and what a seal says of them, as tests of pricing write them."""

from datetime import date
from decimal import Decimal
from typing import Any

from shared.events.usage_aggregated import TenantDay, UsageRow


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
