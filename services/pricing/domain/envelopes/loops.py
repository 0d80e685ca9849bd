"""Hard stops are for loops alone: a run whose spend runs away, by its own reservations (10.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction


@dataclass(frozen=True)
class LoopRule:
    """When a run is taken for a loop.

    window        how far back one looks
    spend_max     US dollars in the window, inclusive; above it a run is stopped
    requests_max  reservations and extensions in the window, inclusive
    """

    window: timedelta = timedelta(minutes=5)
    spend_max: Fraction = Fraction(50)
    requests_max: int = 600


@dataclass(frozen=True)
class Asked:
    """One reservation or extension of a run."""

    at: datetime
    estimate: Fraction


def stopped_by(asked: Sequence[Asked], rule: LoopRule, now: datetime) -> str | None:
    """Return the detector that stops a run now: `spend_rate`, `request_rate`; None if none does."""
    recent = [one for one in asked if now - rule.window < one.at <= now]
    if sum((one.estimate for one in recent), Fraction(0)) > rule.spend_max:
        return "spend_rate"
    return "request_rate" if len(recent) > rule.requests_max else None
