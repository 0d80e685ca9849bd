"""What is rated of a tenant: its bills today, and those that each plan would have made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import cast

from sqlalchemy import RowMapping

from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.seats import ANY_CLASS, Seats
from services.pricing.domain.simulation.reach import EVERYTHING, Reach, reach_of
from services.pricing.domain.split.parts import Part
from services.pricing.domain.subscription.changes import ChoosePlan, SetOverrides
from services.pricing.domain.subscription.ownership import Holder
from services.pricing.domain.subscription.timeline import Stretch, Timeline
from services.pricing.handlers.rating import PricedPeriod, priced_of
from services.pricing.handlers.timelines import SoldPlan

EVERY_ROW = Reach(EVERYTHING, by_day=True)
NO_ROW = cast("RowMapping", {})
"""A bill that is tried belongs to no stored subscription."""


@dataclass(frozen=True)
class Bill:
    """A period that is rated. `owner` names the subscription, of several, whose usage counts."""

    priced: PricedPeriod
    owner: str = ""
    holders: Sequence[Holder] = ()

    @property
    def period(self) -> Period:
        return self.priced.period


@dataclass(frozen=True)
class Customer:
    """A tenant with its bills in the window.

    `by_plan` are by the name of the plan, each for the same periods; `seats` are the most that it
    pays for today at a time. `anchor_day` is that of its one subscription. `meters_missing` are
    values that no bill could have.
    """

    tenant_id: str
    today: tuple[Bill, ...]
    by_plan: Mapping[str, tuple[Bill, ...]]
    subscriptions: tuple[str, ...] = ()
    anchor_day: int | None = None
    meters_missing: tuple[str, ...] = ()

    @property
    def periods(self) -> list[Period]:
        """The periods that plans are tried on, in the order of time."""
        return [bill.period for bill in next(iter(self.by_plan.values()), self.today)]

    @property
    def seats(self) -> int:
        counts = (
            sum(part.seats.count(name) for name in part.seats.classes)
            for bill in self.today
            for part in bill.priced.parts
        )
        return max(counts, default=0)


def periods_in(told: Timeline, start: date, end: date) -> list[Period]:
    """Return the periods of a subscription that end in `(start, end]`, whole as they are billed."""
    first = max(told.starts_on, told.cycle.at_or_before(start))
    found = []
    period = told.period_from(first)
    while period is not None and period.end <= end:
        if period.end > start:
            found.append(period)
        period = told.period_from(period.end)
    return found


def on_one_plan(told: Timeline) -> Timeline:
    """Return a timeline that stays on one plan: seats, pauses and trials are as they are."""
    kept = tuple(
        change for change in told.changes if not isinstance(change.event, ChoosePlan | SetOverrides)
    )
    return replace(told, changes=kept)


def bill_by(period: Period, stretches: tuple[Stretch, ...], sold: SoldPlan) -> Bill:
    """Return a period by one plan in all of its stretches, with seats as the plan names them."""
    priced = priced_of(NO_ROW, period, stretches, (sold,) * len(stretches))
    assert priced is not None, "each stretch has its plan"
    parts = [replace(part, seats=seats_for(sold.plan, part.seats)) for part in priced.parts]
    return Bill(replace(priced, parts=parts))


def with_users(bill: Bill, users: int, *, always: bool) -> Bill:
    """Return a bill with a seat for each user, where no seats are paid for (or `always`)."""
    counted = [always or not _has_seats(part) for part in bill.priced.parts]
    if not any(counted):
        return bill
    parts = [
        replace(part, seats=seats_for(part.plan, Seats.of(users))) if by_users else part
        for part, by_users in zip(bill.priced.parts, counted, strict=True)
    ]
    return replace(bill, priced=replace(bill.priced, parts=parts))


def _has_seats(part: Part) -> bool:
    return any(part.seats.count(name) for name in part.seats.classes)


def all_alike(bills: Sequence[Bill], others: Sequence[Bill]) -> bool:
    """Tell whether bills rate the same periods by the same terms: then they come to the same."""
    return len(bills) == len(others) and all(map(_is_alike, bills, others))


def _is_alike(bill: Bill, other: Bill) -> bool:
    one, same = bill.priced, other.priced
    if not (one.is_whole and same.is_whole) or bill.holders or other.holders:
        return False
    hashes = {(priced.sold[-1].price_hash, priced.sold[-1].plan.key) for priced in (one, same)}
    part, its = one.parts[0], same.parts[0]
    read = part.seats == its.seats and part.readings == its.readings
    return len(hashes) == 1 and one.period == same.period and read


def seat_classes(plan: Plan) -> list[str]:
    """Return the classes of the seats that a plan charges for, in its order."""
    return [c.price.seat_class for c in plan.charges if isinstance(c.price, PerSeat)]


def seats_for(plan: Plan, seats: Seats) -> Seats:
    """Return seats of no class that a plan charges for as those of its first, if it has any."""
    classes = seat_classes(plan)
    if not classes or ANY_CLASS in classes or set(classes) & seats.classes:
        return seats
    first = classes[0]
    initial = {first: sum(seats.initial.values())} if seats.initial else {}
    return Seats(initial, tuple(replace(one, seat_class=first) for one in seats.changes))


@dataclass
class Reaches:
    """What each plan depends on, looked up once."""

    found: dict[int, tuple[Plan, Reach]] = field(default_factory=dict)

    def of(self, bill: Bill) -> Reach:
        """Return what a bill depends on: everything, where several subscriptions share usage."""
        if bill.holders:
            return EVERY_ROW
        first, *others = bill.priced.parts
        reach = self._of_plan(first.plan)
        for part in others:
            reach |= self._of_plan(part.plan)
        return reach

    def _of_plan(self, plan: Plan) -> Reach:
        known = self.found.get(id(plan))
        if known is None:
            known = self.found[id(plan)] = (plan, reach_of(plan))
        return known[1]
