"""What else moves credits: returns, expiry with rollover, automatic top-ups."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from math import ceil

from services.pricing.domain.wallet.draws import Draw
from services.pricing.domain.wallet.grants import Grant, GrantState

RETURN_DAYS = 30
"""How long returned credit lives at least, also when its grant has expired."""


@dataclass(frozen=True)
class Return:
    """Credit that goes back to the grant that it came from."""

    grant_id: str
    line_key: str
    amount: Fraction
    expires_on: date | None


def return_draws(
    draws: Sequence[Draw],
    states: Iterable[GrantState],
    *,
    on: date,
    amount: Fraction | None = None,
) -> list[Return]:
    """Return what a statement drew: all of it (a void), or `amount` of it (a correction).

    `draws` are what is still drawn, in the order of drawing; the last drawn returns first. A grant
    that ends within 30 days of the return lives until then. More than was drawn does not return.
    """
    by_id = {state.grant.grant_id: state for state in states}
    open_amount = sum((draw.amount for draw in draws), Fraction(0)) if amount is None else amount
    returns = []
    for draw in reversed(draws):
        back = min(draw.amount, open_amount)
        if back <= 0:
            continue
        open_amount -= back
        expires_on = _extended(by_id[draw.grant_id].expires_on, on)
        returns.append(Return(draw.grant_id, draw.line_key, back, expires_on))
    return returns


def _extended(expires_on: date | None, on: date) -> date | None:
    return None if expires_on is None else max(expires_on, on + timedelta(days=RETURN_DAYS))


@dataclass(frozen=True)
class Expiry:
    """The end of a grant: `lost` is breakage, `carried` lives on in another grant."""

    grant_id: str
    lost: Fraction
    carried: Grant | None


def expire(states: Iterable[GrantState], *, through: date) -> list[Expiry]:
    """Return the expiries of grants with something left that end on or before `through`.

    What rolls over keeps its terms and begins on the day on which the grant ends. It gets its own
    position, as the youngest, when it is stored.
    """
    return [
        _expiry(state)
        for state in states
        if state.balance and state.expires_on is not None and state.expires_on <= through
    ]


def _expiry(state: GrantState) -> Expiry:
    grant, rollover = state.grant, state.grant.rollover
    if rollover is None or state.expires_on is None:
        return Expiry(grant.grant_id, state.balance, None)
    amount = state.balance if rollover.limit is None else min(state.balance, rollover.limit)
    carried = replace(
        grant,
        grant_id=f"{grant.grant_id}~{state.expires_on.isoformat()}",
        amount=amount,
        valid_from=state.expires_on,
        expires_on=state.expires_on + timedelta(days=rollover.days),
        rollover=replace(rollover, times=rollover.times - 1) if rollover.times > 1 else None,
    )
    return Expiry(grant.grant_id, state.balance - amount, carried)


@dataclass(frozen=True)
class AutomaticTopUp:
    """Below a balance of `below`, `amount` is bought, as often as it takes to reach it."""

    below: Fraction
    amount: Fraction

    def __post_init__(self) -> None:
        if self.below < 0 or self.amount <= 0:
            raise ValueError("a top-up is above 0, its threshold 0 or more")

    def needed(self, balance: Fraction) -> Fraction:
        """Return how much is bought at a balance; 0 at the threshold and above it."""
        if balance >= self.below:
            return Fraction(0)
        return self.amount * ceil((self.below - balance) / self.amount)


def may_spend(balance: Fraction, *, hard_stop: bool) -> bool:
    """Tell whether new work may start: with a hard stop, only while there is credit."""
    return balance > 0 or not hard_stop
