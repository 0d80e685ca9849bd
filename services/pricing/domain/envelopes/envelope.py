"""An envelope: who it is for, how much a period has, and how it is divided."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from services.pricing.domain.envelopes.ladder import Ladder

EXPLORE_PURPOSE = "explore"
SCOPE_FIELDS = ("tenant", "team", "agent", "user", "run")
"""From the widest to the narrowest."""

Length = Literal["day", "week", "month"]


class Ledger(StrEnum):
    """The two accounts of an envelope; what one has left is never taken by the other."""

    RUN = "run"
    EXPLORE = "explore"

    @classmethod
    def of_purpose(cls, purpose: str) -> "Ledger":
        """Return the ledger that work of a purpose is booked in."""
        return cls.EXPLORE if purpose == EXPLORE_PURPOSE else cls.RUN


@dataclass(frozen=True)
class Scope:
    """Whose work an envelope pays for; an empty field accepts everything. At least one is set."""

    tenant: str = ""
    team: str = ""
    agent: str = ""
    user: str = ""
    run: str = ""

    def __post_init__(self) -> None:
        if not any(getattr(self, name) for name in SCOPE_FIELDS):
            raise ValueError("a scope names at least one of tenant, team, agent, user and run")

    def accepts(self, work: "Scope") -> bool:
        """Tell whether some work, which says all that is known of it, is this envelope's."""
        return all(getattr(self, name) in ("", getattr(work, name)) for name in SCOPE_FIELDS)


@dataclass(frozen=True)
class Span:
    """Days `[start, end)` in UTC that an amount is for."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days


@dataclass(frozen=True)
class Envelope:
    """Money for the work of a scope, anew each period; nothing that is left is carried over.

    amount          US dollars a period, above 0
    explore_share   part that only exploration may use, 0 to 1 inclusive; use it or lose it
    overdraft       part of a ledger, 0 to 1 inclusive, that work under way may go beyond it by; the
                    next period begins with what was overdrawn
    """

    name: str
    scope: Scope
    length: Length
    amount: Fraction
    explore_share: Fraction
    overdraft: Fraction
    ladder: Ladder = field(default_factory=Ladder)

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError("an envelope holds more than 0")
        if not 0 <= self.explore_share <= 1 or not 0 <= self.overdraft <= 1:
            raise ValueError("shares are from 0 to 1")

    def share_of(self, ledger: Ledger) -> Fraction:
        """Return what a period gives to a ledger, before raises and repayments."""
        explore = self.amount * self.explore_share
        return explore if ledger is Ledger.EXPLORE else self.amount - explore

    def span_at(self, day: date) -> Span:
        """Return the period that a UTC day is in: a day, a week from Monday on, a month."""
        if self.length == "day":
            return Span(day, day + timedelta(days=1))
        if self.length == "week":
            start = day - timedelta(days=day.weekday())
            return Span(start, start + timedelta(days=7))
        start = day.replace(day=1)
        return Span(start, (start + timedelta(days=31)).replace(day=1))

    def span_before(self, day: date) -> Span:
        """Return the period before the one that a UTC day is in."""
        return self.span_at(self.span_at(day).start - timedelta(days=1))
