"""Who can be compared to tell what training changed: the trained, and those who were not (yet)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from services.pricing.domain.growth.windows import DAY, Window

SIDE_MIN = 2
"""People on either side of a comparison, without whom nothing can be said about its spread."""


class Person(NamedTuple):
    """A user of a tenant, as events name both."""

    tenant: str
    user: str


@dataclass(frozen=True)
class Training:
    """Who was trained when, and whose figures there are.

    `trained` are the days of the training that is looked at; `any_training` the first day on which
    somebody was trained in anything: nobody who was stands for those who were not.
    `first_active` is the first day on which a person used anything. Figures end before `through`.
    """

    trained: Mapping[Person, date]
    any_training: Mapping[Person, date]
    first_active: Mapping[Person, date]
    through: date


@dataclass(frozen=True)
class Sample:
    """Who could be compared, by day of training, and who could not."""

    comparisons: Sequence[tuple[date, Sequence[Person], Sequence[Person]]]
    too_new: int
    too_few: int
    not_over: int

    @property
    def trained(self) -> int:
        return sum(len(trained) for _, trained, _ in self.comparisons)

    @property
    def others(self) -> int:
        """How many different people stand for those who were not trained."""
        return len({person for _, _, others in self.comparisons for person in others})


def sample_of(training: Training, days: int, *, shifted: int = 0) -> Sample:
    """Return who is compared over so many days before and after each day of training.

    `shifted` moves both so many days back, for a placebo. A person is compared if it was there
    when the first of these days began: days before one came are not days on which it used nothing.
    A day of training is, if its days after are over and there are two people on either side.
    """
    comparisons, too_new, too_few, not_over = [], 0, 0, 0
    for day in sorted(set(training.trained.values())):
        trained = [person for person, own in training.trained.items() if own == day]
        if after(day, days).end > training.through:
            not_over += len(trained)
            continue
        known = _known_on(training, before(day - shifted * DAY, days).first)
        others = _not_trained(training, known, after(day, days).end)
        compared = sorted(person for person in trained if person in known)
        too_new += len(trained) - len(compared)
        if min(len(compared), len(others)) < SIDE_MIN:
            too_few += len(compared)
        else:
            comparisons.append((day, compared, others))
    return Sample(comparisons, too_new, too_few, not_over)


def _known_on(training: Training, day: date) -> set[Person]:
    return {person for person, first in training.first_active.items() if first <= day}


def _not_trained(training: Training, known: set[Person], until: date) -> list[Person]:
    trained = training.any_training
    return sorted(p for p in known if p not in trained or trained[p] >= until)


def before(day: date, days: int) -> Window:
    """Return the days before a day of training."""
    return Window(day - days * DAY, day)


def after(day: date, days: int) -> Window:
    """Return the days after a day of training, which itself is neither before nor after."""
    return Window(day + DAY, day + (days + 1) * DAY)
