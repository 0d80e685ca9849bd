"""How growth is shown: decimals of up to 9 places that add up as the exact amounts do."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.pricing.domain.distribution import Distribution
from services.pricing.domain.growth.cohorts import Cohort
from services.pricing.domain.growth.contribution import growth_of
from services.pricing.domain.growth.growth import CohortSplit, UnitFigures
from services.pricing.domain.growth.shown import shown, shown_parts
from services.pricing.handlers.growth.growth import GrowthAnswer, Total
from services.pricing.handlers.growth.sides import Unit

Shown = Annotated[str, Field(description="plain decimal, up to 9 places")]


class Days(BaseModel):
    """The days `[from, to)` and those that they are compared with."""

    model_config = ConfigDict(populate_by_name=True)

    first: date = Field(alias="from")
    end: date = Field(alias="to")
    base_first: date = Field(alias="base_from")
    base_end: date = Field(alias="base_to")


class Amount(BaseModel):
    """A part of a change."""

    name: str
    amount: Shown


class CohortRead(BaseModel):
    cohort: Cohort
    units: int
    before: Shown
    after: Shown
    change: Shown


class Cohorts(BaseModel):
    """The change by cohort: cohorts and `outside` sum to it; `kept` sums to that of the kept."""

    cohorts: list[CohortRead]
    outside: Shown = Field(description="of no active unit: fees of nobody, corrections")
    kept: list[Amount]


class TailRead(BaseModel):
    """How tokens are distributed over units; null where corrections leave less than nothing."""

    mean: Shown
    median: Shown
    top_decile_share: Shown | None = Field(
        description="of the largest tenth, in percent; a unit at its border counts in part"
    )
    gini: Shown | None = Field(description="0: all alike, towards 1: one has all")


class Units(BaseModel):
    units: int = Field(description="that used tokens")
    active_days: int = Field(description="added up over the units")
    unnamed: int = Field(description="of the units: those that stand for usage that names none")
    tokens: TailRead | None = Field(description="null of nobody")


class GrowthRead(Days):
    """A change split twice, without a residual: by factor and by cohort.

    `breadth`: more or fewer units; `group_mix`: which tenants they belong to; `frequency`: active
    days of a unit; `depth`: tokens of an active day; `model_mix`: models and kinds of the tokens;
    `price` of a token. Of tokens, `idle` are of units without an active day. Of revenue,
    `other_usage` is of units that are no tokens, `without_tokens` of tokens that were taken back,
    and `fees` are due by days.
    """

    of: Total
    unit: Unit
    currency: str | None = Field(description="of revenue; null of tokens, and before a statement")
    sealed_through: date | None = Field(description="later days may still change")
    open_periods: int = Field(description="subscriptions with days that are not billed yet")
    before: Shown
    after: Shown
    change: Shown
    growth_percent: Shown | None = Field(description="null where there was nothing to grow from")
    effects: list[Amount] = Field(description="sum to `change`")
    depth: list[Amount] | None = Field(description="tokens: sum to the effect `depth`")
    cohorts: Cohorts | None = Field(description="null: revenue is not known by user")
    units: dict[Literal["before", "after"], Units]


def growth_read(answer: GrowthAnswer) -> GrowthRead:
    """Return an answer as it is shown."""
    growth, question = answer.growth, answer.question
    percent = growth_of(growth.before, growth.after)
    effects = _amounts(growth.effects)
    return GrowthRead(
        of=question.of,
        unit=question.unit,
        currency=answer.currency,
        first=answer.window.first,
        end=answer.window.end,
        base_first=answer.base.first,
        base_end=answer.base.end,
        sealed_through=answer.sealed_through,
        open_periods=answer.open_periods,
        before=shown(growth.before),
        after=shown(growth.after),
        change=shown(growth.change),
        growth_percent=None if percent is None else shown(percent),
        effects=effects,
        depth=None if growth.depth is None else _amounts(growth.depth),
        cohorts=None if growth.cohorts is None else _cohorts(growth.cohorts),
        units={
            "before": _units(growth.units[0], answer.unnamed[0]),
            "after": _units(growth.units[1], answer.unnamed[1]),
        },
    )


def _amounts(parts: Mapping[str, Fraction]) -> list[Amount]:
    texts = shown_parts(list(parts.values()))
    return [Amount(name=name, amount=amount) for name, amount in zip(parts, texts, strict=True)]


def _cohorts(split: CohortSplit) -> Cohorts:
    *changes, outside = shown_parts([*(one.change for one in split.cohorts), split.outside])
    return Cohorts(
        cohorts=[
            CohortRead(
                cohort=one.cohort,
                units=one.units,
                before=shown(one.before),
                after=shown(one.after),
                change=change,
            )
            for one, change in zip(split.cohorts, changes, strict=True)
        ],
        outside=outside,
        kept=_amounts(split.kept),
    )


def _units(figures: UnitFigures, unnamed: int) -> Units:
    return Units(
        units=figures.units,
        active_days=figures.active_days,
        unnamed=unnamed,
        tokens=figures.tail and _tail(figures.tail),
    )


def _tail(tail: Distribution) -> TailRead | None:
    if tail.mean is None or tail.median is None:
        return None
    share = tail.top_decile_share
    return TailRead(
        mean=shown(tail.mean),
        median=shown(tail.median),
        top_decile_share=None if share is None else shown(share * 100),
        gini=None if tail.gini is None else shown(tail.gini),
    )
