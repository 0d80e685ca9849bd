"""What stands around a price: conversion, free units, pools, discounts, bounds, commitment."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from services.pricing.domain.commitment import Commitment
from services.pricing.domain.conversion import Conversion
from services.pricing.domain.pools import Pool

Overage = Literal["allow", "block"]


@dataclass(frozen=True)
class Conditions:
    """All amounts and quantities are for a whole period; a shorter one has its share by days.

    `pools` burn in their order. What lies above them is `overage`: billed, or blocked (not billed,
    since it should not have been served). `on_demand_limit` is the money above pools that is
    billed at most; the rest counts as blocked.
    """

    conversion: Conversion | None = None
    free_units: Fraction = Fraction(0)
    pools: tuple[Pool, ...] = ()
    overage: Overage = "allow"
    on_demand_limit: Fraction | None = None
    discount_percent: Fraction = Fraction(0)
    discount_amount: Fraction = Fraction(0)
    maximum: Fraction | None = None
    minimum: Fraction | None = None
    commitment: Commitment | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.discount_percent <= 100:  # noqa: PLR2004 - percent
            raise ValueError("a discount is between 0 and 100 percent")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("the minimum is at most the maximum")

    @property
    def by_seat(self) -> bool:
        """Whether a pool is each seat's own."""
        return any(pool.scope == "per_seat" for pool in self.pools)

    @property
    def by_quantity(self) -> bool:
        """Whether something here acts on the quantity, before the price."""
        committed = self.commitment is not None and self.commitment.quantity is not None
        pooled = any(pool.measure == "quantity" for pool in self.pools)
        return bool(self.conversion or self.free_units or pooled or committed)
