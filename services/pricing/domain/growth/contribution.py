"""Contribution to growth: how much of a whole's growth each of its parts made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

ZERO = Fraction(0)
PERCENT = 100


@dataclass(frozen=True)
class Part:
    """A part of a whole before and after.

    `kind`: `value` of a dimension, `not_allocable` (it has no value of the dimension, and is not
    spread over those that there are), `others` (many small ones together).
    """

    name: str
    before: Fraction
    after: Fraction
    kind: str = "value"

    @property
    def change(self) -> Fraction:
        return self.after - self.before


@dataclass(frozen=True)
class Contribution:
    """What a part made of the growth of the whole. Growth is in percent, of a whole above 0.

    `points` sum to the growth of the whole. `if_unchanged`: the growth if the part had stood still,
    all else alike. `of_the_rest`: the growth of the whole without the part in either period.
    """

    part: Part
    points: Fraction | None
    share: Fraction | None
    if_unchanged: Fraction | None
    of_the_rest: Fraction | None


@dataclass(frozen=True)
class Contributions:
    """A whole and its parts: the parts sum to it, and their points to its growth."""

    before: Fraction
    after: Fraction
    growth: Fraction | None
    parts: Sequence[Contribution]


def contributions(parts: Sequence[Part]) -> Contributions:
    """Return what each part made of the growth, the largest change first.

    Growth of nothing, or of what was below 0, has no percentage; a change of 0 has no shares.
    """
    before = sum((part.before for part in parts), ZERO)
    after = sum((part.after for part in parts), ZERO)
    growth = growth_of(before, after)
    ordered = sorted(parts, key=lambda part: (-abs(part.change), part.kind, part.name))
    return Contributions(
        before, after, growth, [_contribution(part, before, after) for part in ordered]
    )


def growth_of(before: Fraction, after: Fraction) -> Fraction | None:
    """Return a growth in percent; None where there was nothing to grow from."""
    return (after - before) / before * PERCENT if before > 0 else None


def _contribution(part: Part, before: Fraction, after: Fraction) -> Contribution:
    growth = growth_of(before, after)
    points = None if growth is None else part.change / before * PERCENT
    change = after - before
    return Contribution(
        part,
        points,
        share=part.change / change * PERCENT if change else None,
        if_unchanged=None if growth is None or points is None else growth - points,
        of_the_rest=growth_of(before - part.before, after - part.after),
    )


def parts_of(
    before: Mapping[tuple[str, str], Fraction],
    after: Mapping[tuple[str, str], Fraction],
    *,
    top: int,
) -> list[Part]:
    """Return parts by (kind, name); values beyond the `top` largest changes are `others`.

    What is not allocable is never among the others.
    """
    parts = [
        Part(name, before.get((kind, name), ZERO), after.get((kind, name), ZERO), kind)
        for kind, name in sorted(before.keys() | after.keys())
    ]
    values = [part for part in parts if part.kind == "value"]
    values.sort(key=lambda part: (-abs(part.change), -part.after, part.name))
    shown, rest = values[:top], values[top:]
    if rest:
        shown.append(
            Part(
                f"{len(rest)} others",
                sum((part.before for part in rest), ZERO),
                sum((part.after for part in rest), ZERO),
                "others",
            )
        )
    return [*shown, *(part for part in parts if part.kind != "value")]
