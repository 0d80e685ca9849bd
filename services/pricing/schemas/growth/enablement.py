"""HTTP models of trainings, of segments, and of what training changed."""

from datetime import date, datetime
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.pricing.domain.growth.differences import Effect, Means
from services.pricing.domain.growth.shown import shown
from services.pricing.handlers.growth.enablement import EnablementAnswer, Figure, Measured
from services.pricing.schemas.fields import Day
from services.pricing.schemas.growth.growth import Shown
from services.pricing.schemas.seat_holder import User
from shared.ids import Slug

ENTRIES_PER_REQUEST = 1_000
DEFAULT_PROGRAM = "training"

METHOD = (
    "Difference in differences by day of training: mean change of who was trained that day, less "
    "the mean change over the same days of who was not trained in anything before they were over; "
    "days of training weighted by how many were trained."
)
INTERVAL = (
    "95 %: delete-one jackknife over clusters, Student's t with one degree of freedom less than "
    "the side with fewer clusters has, rounded outwards."
)
ASSUMPTIONS = (
    "Without training both sides would have changed alike (parallel trends).",
    "A placebo interval that lacks 0 speaks against that.",
    "Nobody changed because others were trained, and nobody before the own training.",
    "What else the trained were trained in within these days counts with it.",
    "Clusters are independent of one another; with cluster=user, so are colleagues.",
    "Nobody was chosen for a change that was coming anyway (selection).",
    "The figure describes those who were trained, and not everybody.",
    "Who stopped counts as 0, on both sides. The first days after a training may be novelty.",
    "Tokens and active days are usage, and no value.",
)


class TrainingWrite(BaseModel):
    """A user was trained on a day; `trained_on` null takes back what was said before."""

    model_config = ConfigDict(extra="forbid")

    tenant: Slug
    user: User
    program: Slug = DEFAULT_PROGRAM
    trained_on: Day | None


class TrainingsWrite(BaseModel):
    """Entries for the log, in this order; of two about a user and program the later stands."""

    model_config = ConfigDict(extra="forbid")

    trainings: list[TrainingWrite] = Field(min_length=1, max_length=ENTRIES_PER_REQUEST)


class _Entry(BaseModel):
    position: int
    tenant: str
    written_by: str = Field(description="id of the API key, or who ran the command")
    created_at: datetime


class TrainingEntry(_Entry):
    user: str
    program: str
    trained_on: date | None


class TrainingsMade(BaseModel):
    """The entries that were added: what stood already is not written again."""

    entries: list[TrainingEntry]


class TrainingLog(TrainingsMade):
    """`next_after` is the `after` of the next page, null on the last."""

    next_after: int | None


class SegmentWrite(BaseModel):
    """A tenant belongs to a segment; null: to none."""

    model_config = ConfigDict(extra="forbid")

    tenant: Slug
    segment: Slug | None


class SegmentsWrite(BaseModel):
    """Entries for the log, in this order; of two about the same tenant the later stands."""

    model_config = ConfigDict(extra="forbid")

    segments: list[SegmentWrite] = Field(min_length=1, max_length=ENTRIES_PER_REQUEST)


class SegmentEntry(_Entry):
    segment: str | None


class SegmentsMade(BaseModel):
    """The entries that were added: what stood already is not written again."""

    entries: list[SegmentEntry]


class SegmentLog(SegmentsMade):
    """`next_after` is the `after` of the next page, null on the last."""

    next_after: int | None


class EffectRead(BaseModel):
    """A difference in differences, of a user and day."""

    estimate: Shown
    lower: Shown | None = Field(description="of the interval; null: too few, or all alike")
    upper: Shown | None
    relative_percent: Shown | None = Field(
        description="of what the trained would have come to without training"
    )
    trained_before: Shown
    trained_after: Shown
    others_before: Shown
    others_after: Shown


class MeasuredRead(BaseModel):
    figure: Figure
    effect: EffectRead | None = Field(description="null: nobody can be compared")
    placebo: EffectRead | None = Field(
        description="the same for the days before training, where there should be nothing"
    )


class EnablementRead(BaseModel):
    """What a program changed, for whom, by which method, and what that assumes."""

    program: str
    days: int = Field(description="before, and after, each day of training")
    cluster: Literal["user", "tenant"]
    through: date = Field(description="exclusive: days before it are counted in full")
    trained: int = Field(description="users who are compared")
    others: int = Field(description="users who stand for the untrained")
    days_of_training: int
    too_new: int = Field(description="trained users who came after the days before began: left out")
    too_few: int = Field(description="trained on days with fewer than 2 on a side: left out")
    not_over: int = Field(description="trained users whose days after are not over: left out")
    measured: list[MeasuredRead]
    method: str = METHOD
    interval: str = INTERVAL
    assumptions: list[str] = list(ASSUMPTIONS)


def enablement_read(answer: EnablementAnswer) -> EnablementRead:
    """Return an answer as it is shown."""
    sample = answer.sample
    return EnablementRead.model_validate(
        {
            **vars(answer.question),
            "through": answer.through,
            "trained": sample.trained,
            "others": sample.others,
            "days_of_training": len(sample.comparisons),
            "too_new": sample.too_new,
            "too_few": sample.too_few,
            "not_over": sample.not_over,
            "measured": [_measured(one) for one in answer.measured],
        }
    )


def _measured(one: Measured) -> MeasuredRead:
    return MeasuredRead(figure=one.figure, effect=_effect(one.effect), placebo=_effect(one.placebo))


def _effect(effect: Effect | None) -> EffectRead | None:
    if effect is None:
        return None
    interval = effect.interval
    return EffectRead(
        estimate=shown(effect.estimate),
        lower=interval and shown(interval.lower),
        upper=interval and shown(interval.upper),
        relative_percent=_maybe(effect.relative),
        **_means("trained", effect.trained),
        **_means("others", effect.others),
    )


def _maybe(amount: Fraction | None) -> str | None:
    return None if amount is None else shown(amount)


def _means(side: str, means: Means) -> dict[str, str]:
    return {f"{side}_before": shown(means.before), f"{side}_after": shown(means.after)}
