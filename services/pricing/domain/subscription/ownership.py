"""Several subscriptions of one tenant: which of them rates a row of usage.

No two of them may claim the same usage, so a row has one that claims it, or none. What none claims
stands as unrated on the statement of the one that began first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product

from services.pricing.domain.claims import overlapping
from services.pricing.domain.plan import Plan
from services.pricing.domain.usage import Usage


@dataclass(frozen=True)
class Holder:
    """A subscription from its first to its last day (inclusive; None: open).

    `plan_on` returns its plan on one of its days; None while it has none.
    """

    subscription_id: str
    starts_on: date
    last_day: date | None
    plan_on: Callable[[date], Plan | None]

    def holds(self, day: date) -> bool:
        """Tell whether a day is one of the subscription's."""
        return self.starts_on <= day and (self.last_day is None or day <= self.last_day)


def owner_of(row: Usage, holders: Sequence[Holder]) -> str:
    """Return the id of the subscription that rates a row; `holders` are at least one.

    Usage of a day that none holds belongs to the next one to begin, else to the last that did.
    """
    day = row.usage_day
    ranked = sorted(holders, key=lambda holder: (holder.starts_on, holder.subscription_id))
    holding = [holder for holder in ranked if holder.holds(day)]
    if not holding:
        later = [holder for holder in ranked if holder.starts_on > day]
        return (later[0] if later else ranked[-1]).subscription_id
    for holder in holding:
        plan = holder.plan_on(day)
        if plan is not None and _claims(plan, row):
            return holder.subscription_id
    return holding[0].subscription_id


def _claims(plan: Plan, row: Usage) -> bool:
    position, _ = plan.claims.positions_of(row)
    return position is not None


def common_claims(one: Plan, other: Plan) -> list[tuple[str, str]]:
    """Return the keys of charges of two plans that could claim the same usage."""
    return [
        (first.key, second.key)
        for first, second in product(one.charges, other.charges)
        if overlapping(first, second)
    ]
