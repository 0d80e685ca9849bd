"""One step of how an amount came about."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Step:
    """`step` names the place in the pipeline; the amounts of a line's steps add up to it."""

    step: str
    description: str
    amount: Fraction


PRICE = "price"
