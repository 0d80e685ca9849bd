"""How contributions to growth are shown."""

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, Field

from services.pricing.domain.growth.contribution import Contributions
from services.pricing.domain.growth.kinds import TOKEN_PARTS
from services.pricing.domain.growth.shown import shown, shown_parts
from services.pricing.domain.growth.windows import Window
from services.pricing.handlers.growth.contribution import ContributionAnswer, Dimension, Of
from services.pricing.schemas.growth.growth import Days, Shown
from shared.money import sum_exact


class PartRead(BaseModel):
    """What a part made of a growth. Growth, points and shares are in percent."""

    kind: Literal["value", "not_allocable", "others"] = Field(
        description="not_allocable: has no value of the dimension, and is spread over none"
    )
    name: str
    before: Shown
    after: Shown
    change: Shown
    points: Shown | None = Field(description="percentage points; sum to `growth_percent`")
    share_percent: Shown | None = Field(description="of the change; sum to 100")
    growth_if_unchanged: Shown | None = Field(
        description="of the whole, had this part stood still: without its contribution"
    )
    growth_of_the_rest: Shown | None = Field(
        description="of the whole without this part, in both spans of days"
    )


class UnpricedUnits(BaseModel):
    """A kind of usage that is no tokens, as much of it as nobody knows the cost of."""

    kind: str
    before: Shown
    after: Shown


class ContributionRead(Days):
    """A growth from one span of days to another, and its parts, largest change first."""

    before: Shown
    after: Shown
    change: Shown
    growth_percent: Shown | None = Field(description="null where there was nothing to grow from")
    unpriced_tokens_before: Shown = Field(description="cost: tokens without a known cost")
    unpriced_tokens_after: Shown
    unpriced_units: list[UnpricedUnits] = Field(description="cost: the same of what is no tokens")
    parts: list[PartRead] = Field(description="sum to the whole")


class ContributionsRead(BaseModel):
    """The growth of a total by a dimension, once or in steps."""

    of: Of
    by: Dimension
    currency: str | None
    sealed_through: date | None = Field(description="later days may still change")
    open_periods: int = Field(description="subscriptions with days that are not billed yet")
    comparisons: list[ContributionRead]


def contributions_read(answer: ContributionAnswer) -> ContributionsRead:
    """Return an answer as it is shown."""
    return ContributionsRead(
        of=answer.question.of,
        by=answer.question.by,
        currency=answer.currency,
        sealed_through=answer.sealed_through,
        open_periods=answer.open_periods,
        comparisons=[
            _comparison(base, window, found, answer) for base, window, found in answer.pairs
        ],
    )


def _comparison(
    base: Window, window: Window, found: Contributions, answer: ContributionAnswer
) -> ContributionRead:
    unpriced = (answer.unpriced[base], answer.unpriced[window])
    tokens = [sum_exact(own for kind, own in s.items() if kind in TOKEN_PARTS) for s in unpriced]
    return ContributionRead(
        first=window.first,
        end=window.end,
        base_first=base.first,
        base_end=base.end,
        before=shown(found.before),
        after=shown(found.after),
        change=_less(shown(found.after), shown(found.before)),
        growth_percent=_maybe(found.growth),
        unpriced_tokens_before=shown(tokens[0]),
        unpriced_tokens_after=shown(tokens[1]),
        unpriced_units=_units(*unpriced),
        parts=_parts(found),
    )


def _units(before: Mapping[str, Fraction], after: Mapping[str, Fraction]) -> list[UnpricedUnits]:
    nothing = Fraction(0)
    return [
        UnpricedUnits(
            kind=kind,
            before=shown(before.get(kind, nothing)),
            after=shown(after.get(kind, nothing)),
        )
        for kind in sorted(before.keys() | after.keys())
        if kind not in TOKEN_PARTS
    ]


def _parts(found: Contributions) -> list[PartRead]:
    """Return parts whose columns sum to the whole, and whose rows do, too: decimals that add up."""
    befores = shown_parts([one.part.before for one in found.parts])
    afters = shown_parts([one.part.after for one in found.parts])
    points = _maybe_parts([one.points for one in found.parts])
    shares = _maybe_parts([one.share for one in found.parts])
    return [
        PartRead.model_validate(
            {
                "kind": one.part.kind,
                "name": one.part.name,
                "before": before,
                "after": after,
                "change": _less(after, before),
                "points": point,
                "share_percent": share,
                "growth_if_unchanged": _maybe(one.if_unchanged),
                "growth_of_the_rest": _maybe(one.of_the_rest),
            }
        )
        for one, before, after, point, share in zip(
            found.parts, befores, afters, points, shares, strict=True
        )
    ]


def _less(after: str, before: str) -> str:
    return shown(Fraction(after) - Fraction(before))


def _maybe(amount: Fraction | None) -> str | None:
    return None if amount is None else shown(amount)


def _maybe_parts(amounts: Sequence[Fraction | None]) -> Sequence[str | None]:
    """Return parts of a sum; either all are known, or none is."""
    known = [amount for amount in amounts if amount is not None]
    return shown_parts(known) if len(known) == len(amounts) else [None] * len(amounts)
