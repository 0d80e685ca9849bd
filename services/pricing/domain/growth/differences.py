"""Difference in differences: what training changed of a figure.

By day of training: the mean change of who was trained on it, from the days before to the days
after, less the mean change over the same days of who was not trained before these were over. The
days of training are added up by how many were trained on each. The interval leaves out one person,
or all people of one tenant, at a time (`interval.py`).
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import accumulate
from math import lcm
from typing import NamedTuple

from services.pricing.domain.growth.enablement import SIDE_MIN, Person, Sample, after, before
from services.pricing.domain.growth.interval import Interval, jackknife
from services.pricing.domain.growth.windows import DAY, Window
from shared.money import sum_exact

ZERO = Fraction(0)

Daily = Mapping[Person, Mapping[date, Fraction]]
"""A figure of each person by day; a day that is missing is 0."""

Cluster = Callable[[Person], object]
"""Whose figures move together, and so are left out together."""


@dataclass(frozen=True)
class Means:
    """Mean figure of a person a day, before and after."""

    before: Fraction
    after: Fraction


@dataclass(frozen=True)
class Effect:
    """What training changed of a figure, a person and day.

    `interval` is None where nothing is known of the spread.
    """

    estimate: Fraction
    interval: Interval | None
    trained: Means
    others: Means

    @property
    def relative(self) -> Fraction | None:
        """Return the effect in percent of what the trained would have come to without it."""
        without = self.trained.after - self.estimate
        return self.estimate / without * 100 if without > 0 else None


def effect_of(sample: Sample, daily: Daily, days: int, cluster: Cluster) -> Effect | None:
    """Return what training changed of a figure; None where nobody can be compared."""
    return _effect(sample, daily, cluster, lambda day: (before(day, days), after(day, days)))


def placebo_of(sample: Sample, daily: Daily, days: int, cluster: Cluster) -> Effect | None:
    """Return the same of twice the days before training, which it cannot have changed."""

    def windows(day: date) -> tuple[Window, Window]:
        return before(day - days * DAY, days), before(day, days)

    return _effect(sample, daily, cluster, windows)


class _Change(NamedTuple):
    """The change of a person's figure around a day of training."""

    day: date
    person: Person
    is_trained: bool
    means: Means

    @property
    def amount(self) -> Fraction:
        return self.means.after - self.means.before


def _effect(
    sample: Sample,
    daily: Daily,
    cluster: Cluster,
    windows: Callable[[date], tuple[Window, Window]],
) -> Effect | None:
    figures = {person: _Figures(own) for person, own in daily.items()}
    nothing = _Figures({})
    changes = [
        _Change(day, person, is_trained, figures.get(person, nothing).means(*windows(day)))
        for day, *sides in sample.comparisons
        for is_trained, people in zip((True, False), sides, strict=True)
        for person in people
    ]
    if not changes:
        return None
    sums = _Sums.of(changes)
    estimate = sums.difference()
    assert estimate is not None, "every day of a sample has people on both sides"
    by_cluster: dict[object, list[_Change]] = defaultdict(list)
    for change in changes:
        by_cluster[cluster(change.person)].append(change)
    interval = _interval(sums, estimate, list(by_cluster.values()))
    weights = {day: len(trained) for day, trained, _ in sample.comparisons}
    trained, others = (_mean_of(changes, weights, side=side) for side in (True, False))
    return Effect(estimate, interval, trained, others)


class _Figures:
    """A person's figure by day, added up once, so that any days cost two look-ups."""

    def __init__(self, own: Mapping[date, Fraction]) -> None:
        """Keep sums up to each day, as whole numbers over one denominator."""
        self._days = sorted(own)
        self._scale = lcm(*(figure.denominator for figure in own.values()))
        whole = (own[day].numerator * (self._scale // own[day].denominator) for day in self._days)
        self._sums = [0, *accumulate(whole)]

    def means(self, first: Window, second: Window) -> Means:
        """Return the mean figure a day of two windows; days that are missing are 0."""
        return Means(self._mean(first), self._mean(second))

    def _mean(self, window: Window) -> Fraction:
        first, end = (bisect_left(self._days, day) for day in (window.first, window.end))
        return Fraction(self._sums[end] - self._sums[first], self._scale * window.days)


class _Sums:
    """How many changes there are, and their sum, by day of training and side."""

    def __init__(self) -> None:
        """Begin with none."""
        self.numbers: dict[tuple[date, bool], int] = defaultdict(int)
        self.amounts: dict[tuple[date, bool], Fraction] = defaultdict(Fraction)

    @classmethod
    def of(cls, changes: Iterable[_Change]) -> "_Sums":
        """Add changes up."""
        sums = cls()
        for change in changes:
            sums.numbers[change.day, change.is_trained] += 1
            sums.amounts[change.day, change.is_trained] += change.amount
        return sums

    def difference(self, less: "_Sums | None" = None) -> Fraction | None:
        """Return the difference in differences, less some changes; None if a side is empty."""
        less = less or _Sums()
        number, total = 0, ZERO
        for day in sorted({day for day, _ in self.numbers}):
            keys = ((day, True), (day, False))
            trained, others = (self.numbers[key] - less.numbers.get(key, 0) for key in keys)
            if trained and others:
                one, other = (self.amounts[key] - less.amounts.get(key, ZERO) for key in keys)
                number += trained
                total += one - other * trained / others
        return total / number if number else None


def _interval(
    sums: _Sums, estimate: Fraction, clusters: Sequence[Sequence[_Change]]
) -> Interval | None:
    """Return the interval; Student's t has one less degree than the side with fewer clusters."""
    sides = [
        sum(any(c.is_trained is side for c in own) for own in clusters) for side in (True, False)
    ]
    without = [sums.difference(_Sums.of(own)) for own in clusters]
    known = [one for one in without if one is not None]
    if min(sides) < SIDE_MIN or len(known) < len(without) or set(known) == {estimate}:
        return None  # where all moved alike, nothing is known of how they spread
    return jackknife(estimate, known, freedom=min(sides) - 1)


def _mean_of(changes: Sequence[_Change], weights: Mapping[date, int], *, side: bool) -> Means:
    """Return the means of a side over the days of training, weighted as the effect is."""
    total = sum(weights.values())
    by_day: dict[date, list[Means]] = defaultdict(list)
    for change in changes:
        if change.is_trained is side:
            by_day[change.day].append(change.means)
    shares = {day: Fraction(weights[day], total * len(own)) for day, own in by_day.items()}
    return Means(
        sum_exact(shares[day] * sum_exact(m.before for m in own) for day, own in by_day.items()),
        sum_exact(shares[day] * sum_exact(m.after for m in own) for day, own in by_day.items()),
    )
