"""What training changed, and the log of who was trained when."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.differences import (
    Cluster,
    Daily,
    Effect,
    effect_of,
    placebo_of,
)
from services.pricing.domain.growth.enablement import Person, Sample, Training, sample_of
from services.pricing.domain.growth.windows import Window
from services.pricing.growth_tables import training
from services.pricing.repository.growth import logs
from services.pricing.repository.growth.usage import read_sealed_through
from shared.accounts.repository import Account
from shared.errors import TallyrollError, not_found

Figure = Literal["tokens", "active_days"]
FIGURES: tuple[Figure, ...] = ("tokens", "active_days")
ONE = Fraction(1)


@dataclass(frozen=True)
class EnablementQuestion:
    """What a program changed, over so many days before and after each day of training.

    `cluster`: whose figures move together, and so are left out together for the interval.
    """

    program: str
    days: int = 28
    cluster: Literal["user", "tenant"] = "user"


@dataclass(frozen=True)
class Measured:
    """What training changed of a figure, and of it in the days before, when it cannot have."""

    figure: Figure
    effect: Effect | None
    placebo: Effect | None


@dataclass(frozen=True)
class EnablementAnswer:
    """Who was compared, and what came of it; days before `through` are counted in full."""

    question: EnablementQuestion
    through: date
    sample: Sample
    measured: Sequence[Measured]


async def read_enablement(
    connection: AsyncConnection, account: Account, question: EnablementQuestion
) -> EnablementAnswer:
    """Answer a question from one snapshot: the connection's transaction is REPEATABLE READ.

    Raises `unknown_program`, and `nothing_sealed` while no day is known to be complete.
    """
    rows = [
        row
        for row in await logs.list_standing(connection, account, training)
        if row["trained_on"] is not None
    ]
    trained = _days_of([row for row in rows if row["program"] == question.program])
    if not trained:
        raise not_found("program", question.program)
    sealed = await read_sealed_through(connection, account)
    if sealed is None:
        message = "No day is sealed yet: what came after a training is not complete."
        raise TallyrollError("nothing_sealed", message)
    first_active = await logs.read_first_active(connection, account)
    told = Training(trained, _days_of(rows), first_active, sealed + timedelta(days=1))
    tokens = await logs.read_daily_tokens(connection, account, _days_to_read(told, question.days))
    return await asyncio.to_thread(_compared, told, tokens, question)  # it takes seconds


def _compared(told: Training, tokens: Daily, question: EnablementQuestion) -> EnablementAnswer:
    sample = sample_of(told, question.days)
    before = sample_of(told, question.days, shifted=question.days)
    measured = [_measure(figure, tokens, question, sample, before) for figure in FIGURES]
    return EnablementAnswer(question, told.through, sample, measured)


def _days_of(rows: Sequence[RowMapping]) -> dict[Person, date]:
    """Return the first day on which each person was trained."""
    days: dict[Person, date] = {}
    for row in rows:
        person = Person(row["tenant_id"], row["user"])
        days[person] = min(days.get(person, row["trained_on"]), row["trained_on"])
    return days


def _days_to_read(told: Training, days: int) -> Window:
    """Return the days of all comparisons: two spans before a training (one is the placebo's)."""
    days_of_training = told.trained.values()
    first = min(days_of_training) - timedelta(days=2 * days)
    return Window(first, max(days_of_training) + timedelta(days=days + 1))


def _measure(
    figure: Figure, tokens: Daily, question: EnablementQuestion, sample: Sample, before: Sample
) -> Measured:
    daily = tokens if figure == "tokens" else _active(tokens)
    cluster: Cluster = _tenant_of if question.cluster == "tenant" else _person_of
    return Measured(
        figure,
        effect_of(sample, daily, question.days, cluster),
        placebo_of(before, daily, question.days, cluster),
    )


def _active(tokens: Daily) -> Daily:
    return {person: dict.fromkeys(days, ONE) for person, days in tokens.items()}


def _tenant_of(person: Person) -> object:
    return person.tenant


def _person_of(person: Person) -> object:
    return person
