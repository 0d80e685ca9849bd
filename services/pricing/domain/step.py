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
PROGRESSIVE = "progressive"

TRUE_UP = "true-up to the"
"""How the words of a step begin that fills up to what is due for a whole period."""


def note(step: str, description: str) -> Step:
    """Return a step that explains and moves no money."""
    return Step(step, description, Fraction(0))


def is_true_up(step: Step) -> bool:
    """Tell whether a step fills up to a minimum or a commitment, whatever was used."""
    return step.step in {MINIMUM, COMMITMENT} and step.description.startswith(TRUE_UP)
