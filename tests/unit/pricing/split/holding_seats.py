"""Seats, who holds them, and what was used, as tests of holders of seats write them."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.periods import Cycle
from services.pricing.domain.plan import Plan
from services.pricing.domain.pools import Pool
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.readings import UsageOfSeat
from services.pricing.domain.seats import Seats
from services.pricing.domain.split.parts import Part
from services.pricing.domain.split.seat_holders import with_seat_holders
from services.pricing.domain.statement import RatedStatement
from services.pricing.domain.subscription.changes import Change, ChoosePlan, Event, SetSeats
from services.pricing.domain.subscription.holder_log import Assignment
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.domain.usage import Usage
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER, charged, plan, usage

DOLLAR = CURRENCIES["USD"]
CLASSES = {"standard": Fraction(30), "premium": Fraction(150)}


def november(day: int) -> date:
    return date(2023, 11, day)


def pool(key: str = "own", **values: Any) -> Pool:
    given_ = {"included_per_seat": CLASSES, "scope": "per_seat"} | values
    return Pool(key, key.title(), "quantity", **given_)


def pooled(*kinds: str, key: str = "c", **values: Any) -> Charge:
    """Return a charge of a dollar for each unit above what seats include."""
    return charged(PerUnit(Fraction(1)), *kinds, key=key, pools=(pool(f"own-{key}", **values),))


def by(user: str, quantity: int, day: int = 16, kind: str = "units", **values: Any) -> UsageOfSeat:
    known = {"agent": "support-0", "model": "claude-sonnet-4-6", "purpose": "production"}
    row: dict[str, Any] = {**known, "usage_day": november(day), **values}
    return UsageOfSeat(user, "", kind=kind, quantity=Fraction(quantity), **row)


def rows_of(used: Sequence[UsageOfSeat]) -> list[Usage]:
    """Return the same as usage of the tenant."""
    return [usage(row.kind, row.quantity, model=row.model, usage_day=row.usage_day) for row in used]


def part_of(sold: Plan, seats: Seats) -> Part:
    return Part(NOVEMBER, sold, "book", "hash", seats)


def rate(
    sold: Plan | Charge,
    used: Sequence[UsageOfSeat],
    log: Sequence[Assignment] = (),
    *,
    seats: Seats | None = None,
) -> RatedStatement:
    """Rate a whole November in which only users used anything."""
    part = part_of(plan(sold) if isinstance(sold, Charge) else sold, seats or Seats({}))
    (read,) = with_seat_holders([part], log, used)
    terms = RatingTerms("hash", part.plan, DOLLAR, part.seats, NOVEMBER)
    return rate_period(terms, rows_of(used), read.readings)


def assigned(user: str, seat_class: str, first: int = 1, last: int | None = None) -> Assignment:
    return Assignment(user, seat_class, november(first), None if last is None else november(last))


SEATED = [(1, 1, "premium")]
ONE_PREMIUM = Seats({"premium": 1})


def split(
    sold: Plan, seats: list[tuple[int, int, str]], cuts: set[int], events: Sequence[Event] = ()
) -> list[Part]:
    """Return November of a subscription that is put on its plan again on each of the days."""
    made = [(november(day), SetSeats(count, held)) for day, count, held in seats]
    made += [(november(day), ChoosePlan("book", "plan")) for day in sorted(cuts)]  # type: ignore[misc]
    made += [(november(10 * n), event) for n, event in enumerate(events, start=1)]  # type: ignore[misc]
    changes = [Change(str(n), n, day, event) for n, (day, event) in enumerate(made, start=1)]
    told = Timeline(NOVEMBER.start, Cycle(1), Terms("book", "plan"), changes=tuple(changes))
    return [
        Part(s.period, sold, "book", "hash", s.seats, s.charged) for s in told.stretches(NOVEMBER)
    ]
