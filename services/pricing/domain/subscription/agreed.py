"""What is agreed with a tenant alone from a day on, and which versions of the book it changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from services.pricing.domain.subscription.changes import SetOverrides
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline


@dataclass(frozen=True)
class Agreed:
    """Terms with overrides, which were set on the day `since`.

    They are priced by the versions that are in force on `first` and on later days up to `last`,
    inclusive; None: without end.
    """

    since: date
    terms: Terms
    first: date
    last: date | None

    @property
    def keeps_version(self) -> bool:
        """Whether the terms stay on a version that they name, whatever is published."""
        return self.terms.price_version is not None and self.terms.stays


def agreed_from(told: Timeline, day: date) -> Iterator[Agreed]:
    """Yield what is agreed from a day on (one of the subscription's), in the order of time."""
    starts = sorted({day, *(c.effective_on for c in told.standing if c.effective_on > day)})
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        if told.last_day is not None and start > told.last_day:
            return
        terms = told.on(start).terms
        if not terms.overrides:
            continue
        ends = [following - timedelta(days=1)] if following else []
        end = min([*ends, told.last_day] if told.last_day else ends, default=None)
        first = told.priced_on(start)[1]
        last = None if end is None else told.priced_on(end)[1]
        yield Agreed(_set_on(told, start), terms, first, last)


def _set_on(told: Timeline, day: date) -> date:
    """Return the day since which the overrides of a day hold."""
    return max(
        change.effective_on
        for change in told.standing
        if change.effective_on <= day and isinstance(change.event, SetOverrides)
    )
