"""Rated statements as tests of what comes after rating write them."""

from datetime import date
from typing import Any
from uuid import uuid4

from shared.events.statement_rated import StatementDetail, StatementLine, StatementRated

HASH = "0" * 64


def line(amount: str, **values: Any) -> StatementLine:
    """Return a usage line with one detail that explains all of it."""
    detail = {
        "agent": "support-0",
        "model": "claude-sonnet-4-6",
        "kind": "output_text",
        "usage_day": date(2023, 11, 16),
        "quantity": "1",
        "amount_exact": amount,
    }
    fixed: dict[str, Any] = {
        "line_key": "000-usage",
        "charge": "usage",
        "model": "per_unit",
        "description": "Usage",
        "quantity": "1",
        "unit": "tokens",
        "amount_exact": amount,
        "steps": [],
        "details": [StatementDetail.model_validate(detail)],
    }
    return StatementLine.model_validate(fixed | values)


def statement(vendor_id: str, *lines: StatementLine, **values: Any) -> StatementRated:
    fixed: dict[str, Any] = {
        "vendor_id": vendor_id,
        "mode": "test",
        "tenant_id": "globex",
        "statement_id": str(uuid4()),
        "subscription_id": "sub-1",
        "kind": "period",
        "sequence": 1,
        "period_start": date(2023, 11, 1),
        "period_end": date(2023, 12, 1),
        "currency": "USD",
        "price_book": "demo",
        "price_version": 1,
        "price_hash": HASH,
        "plan": "support",
        "input_hash": HASH,
        "rating_hash": HASH,
        "total_exact": "0",
        "lines": list(lines),
        "unrated": [],
    }
    return StatementRated.model_validate(fixed | values)
