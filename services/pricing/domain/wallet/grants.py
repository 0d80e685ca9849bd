"""Grants of credit and what is left of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Literal

from shared.money import format_exact

Tax = Literal["at_use", "at_purchase"]


@dataclass(frozen=True)
class CreditScope:
    """What a grant may pay: each named dimension must hold one of its values; None accepts all."""

    charges: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    models: frozenset[str] | None = None

    def pays(self, charge: str, kind: str, model: str) -> bool:
        """Tell whether the grant may pay a part of a charge.

        Parts without kind and model (fees, seats) are paid only by grants that name neither.
        """
        named = ((self.charges, charge), (self.kinds, kind), (self.models, model))
        return all(values is None or value in values for values, value in named)


@dataclass(frozen=True)
class Rollover:
    """What is left at expiry lives on: at most `limit` (None: all), for `days`, `times` times."""

    limit: Fraction | None
    days: int
    times: int

    def __post_init__(self) -> None:
        if self.days < 1 or self.times < 1 or (self.limit is not None and self.limit <= 0):
            raise ValueError("a rollover has a positive limit, a day and a time at least")


@dataclass(frozen=True)
class Grant:
    """Credit of one wallet, in its currency.

    Valid on the days `[valid_from, expires_on)`. `cost_basis` is what a unit of it was paid with:
    0 for a present, 1 at par. `position` tells the order of granting. A lower `priority` burns
    first. `tax`: at_use is a discount before tax, at_purchase a payment that leaves the taxable
    amount as it is.
    """

    grant_id: str
    position: int
    amount: Fraction
    priority: int
    valid_from: date
    expires_on: date | None
    cost_basis: Fraction
    scope: CreditScope
    tax: Tax
    rollover: Rollover | None = None

    def __post_init__(self) -> None:
        if self.amount <= 0 or self.cost_basis < 0:
            raise ValueError("a grant is above 0, its cost basis 0 or more")
        if self.expires_on is not None and self.expires_on <= self.valid_from:
            raise ValueError("a grant is valid for a day at least")
        if self.rollover is not None and self.expires_on is None:
            raise ValueError("what never expires does not roll over")


@dataclass(frozen=True)
class GrantState:
    """A grant with what is left of it; `expires_on` is later than granted after some returns."""

    grant: Grant
    balance: Fraction
    expires_on: date | None

    def __post_init__(self) -> None:
        if self.balance < 0:
            raise ValueError("a balance is never negative")

    def valid_on(self, day: date) -> bool:
        return self.grant.valid_from <= day and (self.expires_on is None or day < self.expires_on)


def burn_order(states: Iterable[GrantState]) -> list[GrantState]:
    """Return grants as they are drawn: priority, soonest expiry, lowest cost basis, oldest, id."""
    return sorted(
        states,
        key=lambda state: (
            state.grant.priority,
            state.expires_on or date.max,
            state.grant.cost_basis,
            state.grant.position,
            state.grant.grant_id,
        ),
    )


def grant_content(grant: Grant) -> dict[str, Any]:
    """Return a grant's terms as plain data, amounts as exact text."""
    rollover = grant.rollover
    return {
        "grant_id": grant.grant_id,
        "amount": format_exact(grant.amount),
        "priority": grant.priority,
        "valid_from": grant.valid_from.isoformat(),
        "expires_on": grant.expires_on.isoformat() if grant.expires_on else None,
        "cost_basis": format_exact(grant.cost_basis),
        "scope": {
            name: None if values is None else sorted(values)
            for name, values in vars(grant.scope).items()
        },
        "tax": grant.tax,
        "rollover": rollover
        and {
            "limit": None if rollover.limit is None else format_exact(rollover.limit),
            "days": rollover.days,
            "times": rollover.times,
        },
    }


def grant_from(content: dict[str, Any], position: int) -> Grant:
    """Return the grant that `grant_content` wrote down."""
    rollover = content["rollover"]
    limit = rollover and rollover["limit"]
    return Grant(
        grant_id=content["grant_id"],
        position=position,
        amount=Fraction(content["amount"]),
        priority=content["priority"],
        valid_from=date.fromisoformat(content["valid_from"]),
        expires_on=date.fromisoformat(content["expires_on"]) if content["expires_on"] else None,
        cost_basis=Fraction(content["cost_basis"]),
        scope=CreditScope(
            **{
                name: None if values is None else frozenset(values)
                for name, values in content["scope"].items()
            }
        ),
        tax=content["tax"],
        rollover=rollover
        and Rollover(
            None if limit is None else Fraction(limit), rollover["days"], rollover["times"]
        ),
    )
