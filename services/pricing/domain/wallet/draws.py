"""Drawing credits for statements: a step of its own after rating, exact, and replayable."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from services.pricing.domain.wallet.grants import (
    GrantState,
    Tax,
    burn_order,
    grant_content,
    grant_from,
)
from shared.money import format_exact


@dataclass(frozen=True)
class Payable:
    """A part of a statement that credits may pay; `kind` and `model` are empty for fees."""

    line_key: str
    charge: str
    kind: str
    model: str
    amount: Fraction


@dataclass(frozen=True)
class StatementToPay:
    """What a statement asks of the wallet: its parts sum to its exact total."""

    statement_id: str
    subscription_id: str
    period_end: date
    parts: tuple[Payable, ...]

    @property
    def last_day(self) -> date:
        return self.period_end - timedelta(days=1)


@dataclass(frozen=True)
class Draw:
    """What one grant pays of one line, > 0."""

    grant_id: str
    line_key: str
    amount: Fraction
    tax: Tax


@dataclass(frozen=True)
class DrawnStatement:
    """What a statement drew from the grants that were `seen`, and what it left unpaid."""

    statement: StatementToPay
    seen: tuple[GrantState, ...]
    draws: tuple[Draw, ...]
    uncovered: Fraction

    def paid(self, tax: Tax) -> Fraction:
        """Return what grants of a tax mode pay: at_use lowers the taxable amount."""
        return sum((draw.amount for draw in self.draws if draw.tax == tax), Fraction(0))


def draw_statement(statement: StatementToPay, grants: Iterable[GrantState]) -> DrawnStatement:
    """Pay a statement from the grants valid on its period's last day, in burn order.

    Each grant pays what its scope allows, part by part. Credits pay at most the statement's total:
    negative parts (corrections) lower it, and one that is not positive draws nothing.
    """
    seen = tuple(burn_order(grants))
    total = sum((part.amount for part in statement.parts), Fraction(0))
    due = max(total, Fraction(0))
    open_amounts = [max(part.amount, Fraction(0)) for part in statement.parts]
    paid: dict[tuple[str, str], Draw] = {}
    for state in seen:
        if not state.valid_on(statement.last_day):
            continue
        left = state.balance
        for index, part in enumerate(statement.parts):
            if not state.grant.scope.pays(part.charge, part.kind, part.model):
                continue
            amount = min(left, open_amounts[index], due)
            if amount > 0:
                left -= amount
                due -= amount
                open_amounts[index] -= amount
                _add(paid, state, part.line_key, amount)
    return DrawnStatement(statement, seen, tuple(paid.values()), due)


def _add(
    paid: dict[tuple[str, str], Draw], state: GrantState, line_key: str, amount: Fraction
) -> None:
    """Add up what a grant pays of a line: the ledger has one row for it."""
    grant = state.grant
    key = (grant.grant_id, line_key)
    known = paid.get(key)
    whole = amount if known is None else known.amount + amount
    paid[key] = Draw(grant.grant_id, line_key, whole, grant.tax)


def draw_statements(
    statements: Iterable[StatementToPay], grants: Iterable[GrantState]
) -> list[DrawnStatement]:
    """Pay several statements of one wallet in order of (period end, subscription id)."""
    states = list(grants)
    drawn = []
    for statement in sorted(statements, key=lambda one: (one.period_end, one.subscription_id)):
        drawn.append(draw_statement(statement, states))
        states = after(states, drawn[-1].draws)
    return drawn


def after(states: Sequence[GrantState], draws: Iterable[Draw]) -> list[GrantState]:
    """Return what is left of grants after draws."""
    spent: dict[str, Fraction] = {}
    for draw in draws:
        spent[draw.grant_id] = spent.get(draw.grant_id, Fraction(0)) + draw.amount
    return [
        replace(state, balance=state.balance - spent.get(state.grant.grant_id, Fraction(0)))
        for state in states
    ]


def draw_content(drawn: DrawnStatement) -> dict[str, Any]:
    """Return all that a draw was computed from as plain data: `replay` gives it again."""
    statement = drawn.statement
    return {
        "statement_id": statement.statement_id,
        "subscription_id": statement.subscription_id,
        "period_end": statement.period_end.isoformat(),
        "parts": [
            [part.line_key, part.charge, part.kind, part.model, format_exact(part.amount)]
            for part in statement.parts
        ],
        "grants": [
            {
                "content": grant_content(state.grant),
                "position": state.grant.position,
                "balance": format_exact(state.balance),
                "expires_on": state.expires_on.isoformat() if state.expires_on else None,
            }
            for state in drawn.seen
        ],
        "uncovered": format_exact(drawn.uncovered),
    }


def replay(content: dict[str, Any]) -> DrawnStatement:
    """Draw again from what a draw had stored; amounts may have any number of digits."""
    statement = StatementToPay(
        content["statement_id"],
        content["subscription_id"],
        date.fromisoformat(content["period_end"]),
        tuple(
            Payable(line_key, charge, kind, model, Fraction(amount))
            for line_key, charge, kind, model, amount in content["parts"]
        ),
    )
    states = [
        GrantState(
            grant_from(seen["content"], seen["position"]),
            Fraction(seen["balance"]),
            date.fromisoformat(seen["expires_on"]) if seen["expires_on"] else None,
        )
        for seen in content["grants"]
    ]
    return draw_statement(statement, states)
