"""The parts of a period, each with what it is rated by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.readings import Readings
from services.pricing.domain.seats import Seats
from shared.money import Currency

Charged = Literal["all", "usage", "nothing"]
"""`usage`: nothing that is due by days, as in a pause. `nothing`: a trial."""


@dataclass(frozen=True)
class Part:
    """Days of a period that are rated by one plan.

    `price_hash` stands for the content of the version in the hash. `overridden` says in words, by
    key of the charge, what was agreed with the tenant; `overrides` is the same for the hash.
    """

    period: Period
    plan: Plan
    price_book: str
    price_hash: str
    seats: Seats = field(default_factory=Seats)
    charged: Charged = "all"
    overridden: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: Any = None
    readings: Readings = field(default_factory=Readings)

    def content(self) -> dict[str, Any]:
        """Return what a hash is made of."""
        content = {
            "price_book": self.price_book,
            "price_hash": self.price_hash,
            "plan": self.plan.key,
            "seats": self.seats.content(),
            "period": vars(self.period),
            "charged": self.charged,
            **self.readings.content(),
        }
        return content | ({"overrides": self.overrides} if self.overrides else {})


@dataclass(frozen=True)
class SplitTerms:
    """The parts of one period, without a gap, in the order of time."""

    parts: tuple[Part, ...]
    currency: Currency

    def __post_init__(self) -> None:
        ends = [part.period.end for part in self.parts[:-1]]
        if ends != [part.period.start for part in self.parts[1:]]:
            raise ValueError("parts follow each other without a gap")
        if not self.parts:
            raise ValueError("a period has a part")
