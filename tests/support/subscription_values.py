"""Short ways to write a subscription and what happens to it."""

from dataclasses import replace
from datetime import date

from services.pricing.domain.periods import Cycle
from services.pricing.domain.subscription.changes import Change, Event
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline

TEAM = Terms("demo", "team")


def day(number: int) -> date:
    return date(2023, 11, number)


def changed(*events: tuple[date, Event], **values: object) -> Timeline:
    """Return a subscription from 1 November on, with changes as they were made."""
    changes = tuple(
        Change(f"c{number}", number, on, event)
        for number, (on, event) in enumerate(events, start=1)
    )
    told = Timeline(day(1), Cycle(1), TEAM, seats=5, changes=changes)
    return replace(told, **values)  # type: ignore[arg-type]
