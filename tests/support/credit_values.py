"""Short ways to write grants, statements and their parts in tests of credits."""

from datetime import date
from fractions import Fraction
from itertools import count
from typing import Any

from services.pricing.domain.wallet.draws import Payable, StatementToPay
from services.pricing.domain.wallet.grants import CreditScope, Grant, GrantState
from shared.money import exact

MONTH_END = date(2023, 12, 1)
_positions = count(1)


def grant(grant_id: str, amount: str | int = 10, **values: Any) -> Grant:
    terms: dict[str, Any] = {
        "grant_id": grant_id,
        "position": next(_positions),
        "amount": exact(amount),
        "priority": 100,
        "valid_from": date(2023, 11, 1),
        "expires_on": None,
        "cost_basis": Fraction(1),
        "scope": CreditScope(),
        "tax": "at_use",
    }
    return Grant(**(terms | values))


def state(grant_id: str, amount: str | int = 10, **values: Any) -> GrantState:
    """Return a grant of which nothing is spent."""
    made = grant(grant_id, amount, **values)
    return GrantState(made, made.amount, made.expires_on)


def part(amount: str | int, line_key: str = "000-usage", **values: str) -> Payable:
    words = {"charge": "usage", "kind": "output_text", "model": "claude-sonnet-4-6"} | values
    return Payable(line_key, words["charge"], words["kind"], words["model"], exact(amount))


def to_pay(*parts: Payable, **values: Any) -> StatementToPay:
    terms: dict[str, Any] = {
        "statement_id": "st-1",
        "subscription_id": "sub-1",
        "period_end": MONTH_END,
    }
    return StatementToPay(**(terms | values), parts=parts)
