"""Whether a cap pushed a team to safe work: the known-ROI bias, by signs that usage shows.

Three signs, each before and after the cap: the share of exploration, work put off until a period
begins anew, and people who stop where others go on (which may mean that they went elsewhere: shadow
spend). They are signs, not proof: nothing here knows why.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from services.pricing.domain.envelopes.envelope import EXPLORE_PURPOSE, Span

EDGE_DAYS = 3
"""Days at each side of the end of a period that are compared."""


@dataclass(frozen=True)
class Worked:
    """What one user of a team used on one UTC day for one purpose; US dollars."""

    day: date
    user: str
    purpose: str
    amount: Fraction


@dataclass(frozen=True)
class Sides:
    """One figure on each side of a cap; None where there was nothing to take it from."""

    before: Fraction | None
    after: Fraction | None

    @property
    def change(self) -> Fraction | None:
        """After less before."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


@dataclass(frozen=True)
class Bias:
    """The signs of one team.

    explored      share of exploration in what was used
    deferred      what the first days of a period used against the last of the one before, less 1:
                  above 0 where work waits for a new period; the mean over ends of periods
    gone          share of those who worked in the span before that do not in the span after
    """

    team: str
    capped_on: date
    explored: Sides
    deferred: Sides
    gone: Fraction | None
    gone_users: tuple[str, ...]


def bias_of(
    team: str, worked: Iterable[Worked], capped_on: date, window: Span, ends: Sequence[date]
) -> Bias:
    """Return the signs of a team in a window of days around the day of its cap.

    `ends` are the first days of periods within the window (a period ended the day before each).
    """
    rows = [row for row in worked if window.start <= row.day < window.end]
    before = [row for row in rows if row.day < capped_on]
    after = [row for row in rows if row.day >= capped_on]
    daily = _daily(rows)
    gone = sorted({row.user for row in before} - {row.user for row in after} - {""})
    known = {row.user for row in before} - {""}
    return Bias(
        team=team,
        capped_on=capped_on,
        explored=Sides(_explored(before), _explored(after)),
        deferred=Sides(
            _deferred(daily, [end for end in ends if end < capped_on]),
            _deferred(daily, [end for end in ends if end > capped_on]),
        ),
        gone=Fraction(len(gone), len(known)) if known and after else None,
        gone_users=tuple(gone),
    )


def _explored(rows: Sequence[Worked]) -> Fraction | None:
    total = sum((row.amount for row in rows), Fraction(0))
    explored = sum((row.amount for row in rows if row.purpose == EXPLORE_PURPOSE), Fraction(0))
    return explored / total if total else None


def _daily(rows: Sequence[Worked]) -> dict[date, Fraction]:
    daily: dict[date, Fraction] = {}
    for row in rows:
        daily[row.day] = daily.get(row.day, Fraction(0)) + row.amount
    return daily


def _deferred(daily: Mapping[date, Fraction], ends: Sequence[date]) -> Fraction | None:
    found = []
    for end in ends:
        last = _sum(daily, end - timedelta(days=EDGE_DAYS))
        if last:
            found.append(_sum(daily, end) / last - 1)
    return sum(found, Fraction(0)) / len(found) if found else None


def _sum(daily: Mapping[date, Fraction], start: date) -> Fraction:
    days = (start + timedelta(days=ahead) for ahead in range(EDGE_DAYS))
    return sum((daily.get(day, Fraction(0)) for day in days), Fraction(0))
