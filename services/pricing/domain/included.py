"""The steps of what is included: free units, pools of units, pools of money."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from services.pricing.domain.draft import Draft
from services.pricing.domain.pools import (
    Dated,
    Holding,
    Measure,
    PoolUse,
    SeatDays,
    SeatUsage,
    burn,
)
from services.pricing.domain.readings import seat_usage_of
from services.pricing.domain.step import FREE_UNITS, POOL, Step, note
from shared.money import sum_exact

ZERO = Fraction(0)
HOLDERS_TOLD = 20
"""Users whom a line names; all who are assigned are told by the API."""


def take_free_units(draft: Draft) -> None:
    """Take the free units off what is left to price."""
    allowed = draft.charge.conditions.free_units
    if allowed and draft.billable > 0:
        free = min(allowed * draft.situation.period.share, draft.billable)
        draft.add([note(FREE_UNITS, f"{draft.words.count(free)} free")])
        draft.billable -= free


def burn_quantity_pools(draft: Draft) -> None:
    """Take what pools of units hold off what is left to price; block the rest if it is not sold."""
    pools = draft.charge.conditions.pools
    if not pools or not any(pool.measure == "quantity" for pool in pools):
        return
    days = (row.usage_day for row in draft.rows)
    used = list(zip(days, draft.units, strict=True))
    excess = sum_exact(draft.units) - draft.billable
    if excess > 0:
        # Free units are those of the first days, as a customer would count them.
        used = without_first(used, excess)
    uses = _burn(draft, used, "quantity")
    if not uses:
        return
    draft.add(told_holders([draft.readings.seat_days]) if draft.charge.conditions.by_seat else ())
    words = draft.words
    for use in uses:
        text = f"{words.count(use.used)} from {use.name}, {words.number(use.remaining)} left"
        draft.add([note(POOL, text)])
    draft.billable -= sum_exact([use.used for use in uses])
    if draft.charge.conditions.overage == "block" and draft.billable > 0:
        draft.blocked, draft.billable = draft.billable, ZERO
        draft.add([note(POOL, f"{words.count(draft.blocked)} above it blocked, not billed")])


def burn_amount_pools(draft: Draft) -> None:
    """Take what pools of money hold off the price; cap what is above them."""
    conditions = draft.charge.conditions
    pooled = any(pool.measure == "amount" for pool in conditions.pools)
    uses = _burn(draft, amounts_by_day(draft), "amount") if pooled else []
    words = draft.words
    for use in uses:
        text = f"included in {use.name}, {words.money(use.remaining)} left"
        draft.add([Step(POOL, text, -use.used)])
    limit = conditions.on_demand_limit
    if limit is not None:
        limit *= draft.situation.period.share
    elif uses and conditions.overage == "block":
        limit = ZERO
    if limit is not None and draft.amount > limit:
        draft.blocked = draft.amount - limit
        text = f"above the limit of {words.money(limit)}: blocked, not billed"
        draft.add([Step(POOL, text, -draft.blocked)])


def _burn(draft: Draft, used: Iterable[Dated], measure: Measure) -> list[PoolUse]:
    conditions = draft.charge.conditions
    pools = [pool for pool in conditions.pools if pool.measure == measure]
    if not pools or draft.charge.usage is None:
        return []
    seat_usage: tuple[SeatUsage, ...] = ()
    if any(pool.scope == "per_seat" for pool in pools):
        rows = draft.readings.usage_of_seats
        seat_usage = seat_usage_of(rows, draft.charge)
    situation = draft.situation
    days = draft.readings.seat_days
    holding = Holding(situation.period, situation.seats, seat_usage, seat_days=days)
    uses = burn(pools, list(used), holding=holding, balances=draft.balances)
    draft.pools.extend(uses)
    return uses


def told_holders(held: Iterable[SeatDays | None]) -> list[Step]:
    """Say who held seats for how many days, of those who used anything; `held` are of parts."""
    days: Counter[tuple[str, str]] = Counter()
    for some in held:
        days.update(some or {})
    if not days:
        return []
    texts = [
        f"{user} ({seat_class + ', ' if seat_class else ''}{number} days)"
        for (user, seat_class), number in sorted(days.items())
    ]
    more = len(texts) - HOLDERS_TOLD
    names = ", ".join(texts[:HOLDERS_TOLD]) + (f" and {more} more" if more > 0 else "")
    return [note(POOL, f"seats held by {names}")]


def amounts_by_day(draft: Draft) -> list[Dated]:
    """Return what of the line's amount so far each row caused, with its day."""
    weights, total = draft.weights()
    if not total:
        return [(draft.situation.period.start, draft.amount)]
    return [
        (day, draft.amount * weight / total)
        for group, column in zip(draft.groups, weights, strict=True)
        for day, weight in zip(group.daily.days, column.numbers, strict=True)
    ]


def without_first(used: list[Dated], excess: Fraction) -> list[Dated]:
    rest = []
    for day, units in sorted(used, key=lambda item: item[0]):
        taken = min(max(units, ZERO), excess)
        excess -= taken
        rest.append((day, units - taken))
    return rest
