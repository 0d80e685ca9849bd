"""What a subscription waits for: the day whose seal lets its next statement be made."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from heapq import heappop

from sqlalchemy import RowMapping


def opens_next(opens_on: date | None, next_end: date | None) -> bool:
    """Tell whether the open period has a first charged day whose opening is yet to be made."""
    return opens_on is not None and next_end is not None and opens_on < next_end


def waits_for(opens_on: date | None, next_end: date | None) -> date | None:
    """Return the day whose seal lets the next statement be made; None: there is none to come."""
    if next_end is None:
        return None
    return (opens_on if opens_on and opens_on < next_end else next_end) - timedelta(days=1)


@dataclass(frozen=True, order=True)
class Due:
    """The next statement of a subscription, in the order of closing: by the last day it needs."""

    needs: date
    subscription_id: str
    subscription: RowMapping = field(compare=False)

    @classmethod
    def of(cls, row: RowMapping) -> "Due":
        needs = waits_for(row["opens_on"], row["next_end"])
        assert needs is not None, "a subscription that is due has an open period"
        return cls(needs, row["subscription_id"], row)


def take_next(due: list[Due], *, limit: int) -> list[RowMapping]:
    """Take up to `limit` off a heap that wait for one day: none overtakes an earlier period."""
    first = heappop(due)
    some = [first.subscription]
    while due and due[0].needs == first.needs and len(some) < limit:
        some.append(heappop(due).subscription)
    return some
