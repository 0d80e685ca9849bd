"""Prices of what runs used, in whole numbers of a common fraction of a dollar.

So a database can add up exact costs, whatever the prices: no price needs a decimal expansion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.usage import Usage

ONE = Fraction(1)


class PricedBy(NamedTuple):
    """What the price of usage depends on."""

    provider: str
    model: str
    kind: str
    context_band: str
    service_tier: str
    batch: bool
    speed: str
    region: str
    usage_day: date


@dataclass(frozen=True)
class RunPrices:
    """Of each circumstance what a unit costs, in 1/scale dollars; None: nobody knows it."""

    circumstances: Sequence[PricedBy]
    units: Sequence[int | None]
    scale: int

    @classmethod
    def of(cls, circumstances: Sequence[PricedBy], prices: ProviderPrices) -> "RunPrices":
        """Look up the price of each circumstance."""
        found = [prices.cost(_usage(one)) for one in circumstances]
        scale = lcm(*(price.denominator for price in found if price is not None))
        units = [None if price is None else int(price * scale) for price in found]
        return cls(circumstances, units, scale)

    @property
    def complete(self) -> bool:
        """Whether everything has a price."""
        return None not in self.units

    def dollars(self, units: Decimal | None) -> Fraction:
        """Return a sum of quantities times units (None: of none), in US dollars."""
        return Fraction(units or 0) / self.scale


def _usage(of: PricedBy) -> Usage:
    known = of._asdict() | {"batch": "true" if of.batch else "false"}
    return Usage(**known, agent="", purpose="", status="", quantity=ONE)
