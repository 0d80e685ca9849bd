"""Plans: charges that are sold together."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.price import RowPrice
from services.pricing.domain.claims import Claims, scope_of
from services.pricing.domain.commitment import Commitment
from services.pricing.domain.meters import METER_PREFIX
from services.pricing.domain.progressive import Thresholds


@dataclass(frozen=True)
class Plan:
    """Charges that are sold together, in the order in which a statement shows them.

    `maximum`, `minimum` and `commitment` are for a whole period and all charges together.
    `thresholds` are those of the spend in a period at which it is invoiced; None: once the period
    is over.
    """

    key: str
    name: str
    charges: tuple[Charge, ...]
    minimum: Fraction | None = None
    commitment: Commitment | None = None
    thresholds: Thresholds | None = None
    maximum: Fraction | None = None

    def __post_init__(self) -> None:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("the minimum is at most the maximum")

    @cached_property
    def needs_cost(self) -> bool:
        """Whether some price depends on what the provider takes."""
        prices = (charge.price for charge in self.charges)
        return any(isinstance(price, RowPrice) and price.needs_cost for price in prices)

    @cached_property
    def pooled_by_seat(self) -> tuple[Charge, ...]:
        """The charges with a pool of each seat."""
        return tuple(charge for charge in self.charges if charge.conditions.by_seat)

    @cached_property
    def leveled(self) -> Mapping[int, Charge]:
        """The charges that price a level, by their position."""
        return {
            position: charge
            for position, charge in enumerate(self.charges)
            if isinstance(charge.price, RowPrice) and charge.price.needs_level
        }

    @cached_property
    def named_meters(self) -> frozenset[str]:
        """The kinds of the meters that charges name; a pattern names none."""
        kinds = (kind for c in self.charges for scope in scope_of(c) for kind in scope.kinds)
        return frozenset(
            kind for kind in kinds if kind.startswith(METER_PREFIX) and "*" not in kind
        )

    @cached_property
    def claims(self) -> Claims:
        """The charges by what they claim."""
        return Claims(self.charges)
