"""Which days a single value is of, where a period has parts.

A value of a meter that does not add up cannot be cut: the people of two halves are not the sum of
both. So it is one value for as long as the parts, one after the other, name the meter, and stands
in the last of these. Days that are free ask for none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from services.pricing.domain.split.parts import Part


@dataclass(frozen=True)
class MeterSpan:
    """The days `[start, end)` of a value, and the place of the part that it stands in."""

    kind: str
    start: date
    end: date
    place: int


def meter_spans(parts: Sequence[Part], kinds: frozenset[str]) -> list[MeterSpan]:
    """Return the values that parts of one period need of meters of these kinds."""
    spans = []
    for kind in sorted(kinds & {kind for part in parts for kind in part.plan.named_meters}):
        named = [p.charged != "nothing" and kind in p.plan.named_meters for p in parts]
        for is_named, run in groupby(range(len(parts)), key=named.__getitem__):
            places = list(run)
            if is_named:
                first, last = parts[places[0]].period, parts[places[-1]].period
                spans.append(MeterSpan(kind, first.start, last.end, places[-1]))
    return spans
