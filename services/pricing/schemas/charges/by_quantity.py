"""Charges whose price depends on the sum of what was used."""

from fractions import Fraction
from typing import Literal

from pydantic import Field

from services.pricing.domain import tiers as domain
from services.pricing.domain.charges import graduated_percentage, package, per_unit, surcharge
from services.pricing.domain.charges.dynamic import Dynamic
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.graduated_package import GraduatedPackage
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.charges.volume_package import VolumePackage
from services.pricing.schemas.charges.charge import ITEMS_MAX, Claiming, Narrowing
from services.pricing.schemas.conditions import QuantityConditions
from services.pricing.schemas.content import Content
from services.pricing.schemas.fields import Amount, Bound, Positive
from shared.money import exact


class ByQuantity(Claiming, QuantityConditions):
    """A charge for a quantity."""


class PerUnitCharge(ByQuantity):
    """`unit_amount` for each `per` units, linear."""

    model: Literal["per_unit"]
    per: Positive = "1"
    unit_amount: Amount

    def price(self) -> per_unit.PerUnit:
        return per_unit.PerUnit(exact(self.unit_amount), exact(self.per))


class SurchargeCharge(Narrowing, QuantityConditions):
    """`unit_amount` for each `per` units on top of what they cost; all tokens by default."""

    model: Literal["surcharge"]
    per: Positive = "1"
    unit_amount: Amount

    def price(self) -> surcharge.Surcharge:
        return surcharge.Surcharge(exact(self.unit_amount), exact(self.per))

    def claimed_by_itself(self) -> dict[str, frozenset[str]]:
        return {"kind": frozenset({"input_*", "output_*"})}


class DynamicCharge(ByQuantity):
    """The quantity is the amount, as the producer stated it."""

    model: Literal["dynamic"]

    def price(self) -> Dynamic:
        return Dynamic()


class Tier(Content):
    """A price up to `up_to` raw units, inclusive; null: open. `flat_amount` once it is entered."""

    up_to: Bound | None
    unit_amount: Amount
    flat_amount: Amount = "0"

    def to_domain(self) -> domain.Tier:
        return domain.Tier(bound(self.up_to), exact(self.unit_amount), exact(self.flat_amount))


class GraduatedCharge(ByQuantity):
    """Each part of the quantity at the price of the tier that it falls in."""

    model: Literal["graduated"]
    per: Positive = "1"
    tiers: list[Tier] = Field(min_length=1, max_length=ITEMS_MAX)

    def price(self) -> Graduated:
        return Graduated(tuple(tier.to_domain() for tier in self.tiers), exact(self.per))


class VolumeCharge(ByQuantity):
    """The whole quantity at the price of the tier that it reaches."""

    model: Literal["volume"]
    per: Positive = "1"
    tiers: list[Tier] = Field(min_length=1, max_length=ITEMS_MAX)

    def price(self) -> Volume:
        return Volume(tuple(tier.to_domain() for tier in self.tiers), exact(self.per))


class PackageCharge(ByQuantity):
    """`package_amount` for each whole package of `package_size` units, rounded up or down."""

    model: Literal["package"]
    package_size: Positive
    package_amount: Amount
    rounding: package.PackageRounding = "up"

    def price(self) -> package.Package:
        return package.Package(exact(self.package_size), exact(self.package_amount), self.rounding)


class PackageTier(Content):
    """A price for each package that is begun, up to `up_to` raw units, inclusive; null: open."""

    up_to: Bound | None
    package_size: Positive
    package_amount: Amount
    flat_amount: Amount = "0"

    def to_domain(self) -> domain.PackageTier:
        size, amount = exact(self.package_size), exact(self.package_amount)
        return domain.PackageTier(bound(self.up_to), size, amount, exact(self.flat_amount))


class GraduatedPackageCharge(ByQuantity):
    """The units in each tier are rounded up to its packages."""

    model: Literal["graduated_package"]
    tiers: list[PackageTier] = Field(min_length=1, max_length=ITEMS_MAX)

    def price(self) -> GraduatedPackage:
        return GraduatedPackage(tuple(tier.to_domain() for tier in self.tiers))


class VolumePackageCharge(ByQuantity):
    """All units are rounded up to the packages of the reached tier."""

    model: Literal["volume_package"]
    tiers: list[PackageTier] = Field(min_length=1, max_length=ITEMS_MAX)

    def price(self) -> VolumePackage:
        return VolumePackage(tuple(tier.to_domain() for tier in self.tiers))


class RateTier(Content):
    """A rate in percent up to an amount, inclusive; null: open."""

    up_to: Bound | None
    rate_percent: Amount
    flat_amount: Amount = "0"

    def to_domain(self) -> graduated_percentage.RateTier:
        rate, flat = exact(self.rate_percent), exact(self.flat_amount)
        return graduated_percentage.RateTier(bound(self.up_to), rate, flat)


class GraduatedPercentageCharge(ByQuantity):
    """Each part of an amount at the rate of the tier that it falls in."""

    model: Literal["graduated_percentage"]
    tiers: list[RateTier] = Field(min_length=1, max_length=ITEMS_MAX)

    def price(self) -> graduated_percentage.GraduatedPercentage:
        tiers = tuple(tier.to_domain() for tier in self.tiers)
        return graduated_percentage.GraduatedPercentage(tiers)


def bound(up_to: str | None) -> Fraction | None:
    """Return an upper bound as a number; None: open."""
    return None if up_to is None else exact(up_to)
