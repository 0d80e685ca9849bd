"""Surcharge: an amount on all tokens of the usage that it names, beside what that costs itself."""

from dataclasses import dataclass
from typing import ClassVar

from services.pricing.domain.charges.per_unit import PerUnit


@dataclass(frozen=True)
class Surcharge(PerUnit):
    """`unit_amount` for each `per` units, on top of the charge that claims them.

    Usage with a surcharge and nothing else is still unrated.
    """

    model: ClassVar[str] = "surcharge"
    beside: ClassVar[bool] = True
