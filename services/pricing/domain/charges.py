"""What a price book is made of. Values that exist are valid: bad ones cannot be constructed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True)
class UsageFilter:
    """Which usage a charge claims: every named dimension must hold one of its values.

    `dimensions` maps a field of `Usage` ("kind", "model", …) to the accepted values; a dimension
    that is not named accepts everything.
    """

    dimensions: Mapping[str, frozenset[str]]

    def __post_init__(self) -> None:
        if not self.dimensions.get("kind"):
            raise ValueError("a usage filter names the kinds that it claims")

    @property
    def kinds(self) -> frozenset[str]:
        return self.dimensions["kind"]


@dataclass(frozen=True)
class Tier:
    """A price up to a bound in raw units (inclusive; None: open), with an optional flat fee."""

    up_to: Fraction | None
    unit_amount: Fraction
    flat_amount: Fraction = Fraction(0)


@dataclass(frozen=True)
class FlatCharge:
    """A fixed amount for each period, in arrears."""

    key: str
    name: str
    amount: Fraction


@dataclass(frozen=True)
class PerSeatCharge:
    """An amount for each seat and period, in arrears."""

    key: str
    name: str
    unit_amount: Fraction


@dataclass(frozen=True)
class PerUnitCharge:
    """`unit_amount` for each `per` units, linear."""

    key: str
    name: str
    usage: UsageFilter
    per: Fraction
    unit_amount: Fraction


@dataclass(frozen=True)
class _TieredCharge:
    key: str
    name: str
    usage: UsageFilter
    per: Fraction
    tiers: tuple[Tier, ...] = field(default=())

    def __post_init__(self) -> None:
        bounds = [tier.up_to for tier in self.tiers]
        closed = [bound for bound in bounds[:-1] if bound is not None]
        if not bounds or bounds[-1] is not None or len(closed) != len(bounds) - 1:
            raise ValueError("the last tier, and only the last, is open")
        if any(
            lower >= upper for lower, upper in zip([Fraction(0), *closed], closed, strict=False)
        ):
            raise ValueError("tier bounds are positive and rise")


class GraduatedCharge(_TieredCharge):
    """Each part of the quantity at the price of the tier that it falls in."""


class VolumeCharge(_TieredCharge):
    """The whole quantity at the price of the tier that it reaches."""


UsageCharge = PerUnitCharge | GraduatedCharge | VolumeCharge
Charge = FlatCharge | PerSeatCharge | UsageCharge


@dataclass(frozen=True)
class Plan:
    """Charges that are sold together, in the order in which a statement shows them."""

    key: str
    name: str
    charges: tuple[Charge, ...]
