"""The timeline of a subscription: its terms on every day, and a period as stretches of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

from services.pricing.domain.periods import Cycle, Period, UnpaidPeriod, period_of
from services.pricing.domain.seats import ANY_CLASS, Seats
from services.pricing.domain.split.parts import Charged
from services.pricing.domain.subscription.changes import (
    Cancel,
    Change,
    ChoosePlan,
    Pause,
    Resume,
    SetOverrides,
    SetSeats,
    standing,
)
from services.pricing.domain.subscription.seat_log import SeatCount, seats_by_stretch
from services.pricing.domain.subscription.terms import Terms


@dataclass(frozen=True)
class Standing:
    """What holds on a day; `chosen_on` is the day since which the plan (or its version) does."""

    terms: Terms
    chosen_on: date
    charged: Charged


@dataclass(frozen=True)
class Stretch:
    """Days of a period on which the same holds.

    `version_on` is the day whose version of the price book counts, where none is named: the
    period's start, or the day within it on which the plan was chosen.
    """

    period: Period
    terms: Terms
    version_on: date
    charged: Charged
    seats: Seats


@dataclass(frozen=True)
class Timeline:
    """A subscription from its first day on. `ends_on` is the last day, inclusive; None: open.

    The first `trial_days` are free.
    """

    starts_on: date
    cycle: Cycle
    terms: Terms
    seats: int = 0
    ends_on: date | None = None
    trial_days: int = 0
    changes: tuple[Change, ...] = field(default=())

    @cached_property
    def standing(self) -> tuple[Change, ...]:
        """The changes that were not withdrawn, in the order in which they hold."""
        return standing(self.changes)

    @cached_property
    def last_day(self) -> date | None:
        """The last day, inclusive, by the terms or the first cancellation; None: open."""
        cancelled = (c.effective_on for c in self.standing if isinstance(c.event, Cancel))
        ends = [day - timedelta(days=1) for day in cancelled]
        return min(ends if self.ends_on is None else [*ends, self.ends_on], default=None)

    @property
    def charged_from(self) -> date:
        """The first day that is not free."""
        return self.starts_on + timedelta(days=self.trial_days)

    def period_from(self, start: date) -> Period | None:
        """Return the period that begins on `start`; None when the subscription ended before."""
        return period_of(self.cycle, start, ends_on=self.last_day)

    def period_ahead(self, period: Period) -> Period | None:
        """Return the period whose fees in advance stand on the statement of a period.

        The next one; None when there is none, and for the one whose fees an opening statement
        brings: the first that is not free.
        """
        return self.period_from(period.end) if self.charged_from < period.end else None

    def on(self, day: date) -> Standing:
        """Return what holds on a day, from the start of the subscription on."""
        terms, chosen_on = self.terms, self.starts_on
        for change in self.standing:
            if change.effective_on > day:
                break
            event = change.event
            if isinstance(event, ChoosePlan):
                plan = (event.price_book, event.plan, event.price_version)
                terms = Terms(*plan, terms.overrides, event.stays)
                chosen_on = change.effective_on
            elif isinstance(event, SetOverrides):
                terms = replace(terms, overrides=event.overrides)
        if day < self.charged_from:
            return Standing(terms, chosen_on, "nothing")
        return Standing(terms, chosen_on, "usage" if self.paused_on(day) else "all")

    def paused_on(self, day: date) -> bool:
        """Tell whether a day is one of a pause."""
        events = [
            change.event
            for change in self.standing
            if change.effective_on <= day and isinstance(change.event, Pause | Resume)
        ]
        return bool(events) and isinstance(events[-1], Pause)

    @property
    def books(self) -> set[str]:
        """The price books that the subscription was, is or will be on."""
        chosen = (c.event for c in self.changes if isinstance(c.event, ChoosePlan))
        return {self.terms.price_book, *(event.price_book for event in chosen)}

    def priced_on(self, day: date) -> tuple[Terms, date]:
        """Return the terms of a day, and the day whose version counts where none is named."""
        held = self.on(day)
        start = max(self.starts_on, self.cycle.at_or_before(day))
        return held.terms, max(start, held.chosen_on)

    def stretches(self, period: Period) -> tuple[Stretch, ...]:
        """Return a period in its order of time, cut where something else holds; at least one."""
        cuts = list(self._cuts(period))
        ends = [*(day for day, _ in cuts[1:]), period.end]
        parts = [
            (UnpaidPeriod if held.charged != "all" else Period)(start, end, period.whole_days)
            for (start, held), end in zip(cuts, ends, strict=True)
        ]
        seats = seats_by_stretch(self._seat_log(), parts)
        return tuple(
            Stretch(part, held.terms, max(period.start, held.chosen_on), held.charged, counted)
            for part, (_, held), counted in zip(parts, cuts, seats, strict=True)
        )

    def _cuts(self, period: Period) -> Iterator[tuple[date, Standing]]:
        days = {change.effective_on for change in self.standing} | {self.charged_from}
        last = self.on(period.start)
        yield period.start, last
        for day in sorted(day for day in days if period.start < day < period.end):
            held = self.on(day)
            if held != last:
                yield day, held
            last = held

    def _seat_log(self) -> list[SeatCount]:
        log = [SeatCount(self.starts_on, ANY_CLASS, self.seats)]
        for change in self.standing:
            if isinstance(change.event, SetSeats):
                event = change.event
                log.append(SeatCount(change.effective_on, event.seat_class, event.count))
        return log
