"""One step of how an amount came about."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Step:
    """`step` names the place in the pipeline; the amounts of a line's steps add up to it."""

    step: str
    description: str
    amount: Fraction


OVERRIDE = "override"
TRIAL = "trial"
CONVERSION = "conversion"
METER = "meter"
FREE_UNITS = "free_units"
POOL = "pool"
PRICE = "price"
DISCOUNT = "discount"
MAXIMUM = "maximum"
MINIMUM = "minimum"
COMMITMENT = "commitment"
ADJUSTMENT = "adjustment"
ADVANCE = "advance"


def note(step: str, description: str) -> Step:
    """Return a step that explains and moves no money."""
    return Step(step, description, Fraction(0))
