"""The tier rule: half-open intervals on exact numbers, upper bound inclusive, without gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, Protocol, TypeVar


class Bounded(Protocol):
    """Something that holds up to a bound (inclusive; None: open)."""

    @property
    def up_to(self) -> Fraction | None: ...


@dataclass(frozen=True)
class Tier:
    """A price up to a bound in raw units (inclusive; None: open), with an optional flat fee."""

    up_to: Fraction | None
    unit_amount: Fraction
    flat_amount: Fraction = Fraction(0)


@dataclass(frozen=True)
class PackageTier:
    """A price for each whole package of `package_size` > 0 units, up to a bound (inclusive)."""

    up_to: Fraction | None
    package_size: Fraction
    package_amount: Fraction
    flat_amount: Fraction = Fraction(0)


TierType = TypeVar("TierType", bound=Bounded)


@dataclass(frozen=True)
class TierPart(Generic[TierType]):
    """How many units fall into a tier: the interval is (lower, tier.up_to]."""

    number: int
    tier: TierType
    units: Fraction
    open_ended: bool

    @property
    def place(self) -> str:
        """Return the words for where in the quantity these units lie."""
        if self.number == 1:
            return "" if self.open_ended else "first "
        return "above: " if self.open_ended else "next "


def require_tiers(tiers: Sequence[Bounded]) -> None:
    """Raise ValueError unless the bounds are positive and rise, and the last tier is open."""
    if not tiers or tiers[-1].up_to is not None:
        raise ValueError("the last tier, and only the last, is open")
    if faults := tier_faults([tier.up_to for tier in tiers]):
        raise ValueError(f"tier {faults[0].index}: {faults[0].message}")


def split_over_tiers(quantity: Fraction, tiers: Sequence[TierType]) -> list[TierPart[TierType]]:
    """Return the parts of `quantity` >= 0 in the tiers that any of it falls into."""
    parts = []
    lower = Fraction(0)
    for number, tier in enumerate(tiers, start=1):
        if quantity <= lower:
            break
        upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
        parts.append(TierPart(number, tier, upper - lower, tier.up_to is None))
        lower = upper
    return parts


def tier_reached(quantity: Fraction, tiers: Sequence[TierType]) -> TierPart[TierType] | None:
    """Return the last tier that any of `quantity` >= 0 falls into; None at quantity 0."""
    parts = split_over_tiers(quantity, tiers)
    return parts[-1] if parts else None


class Flat(Bounded, Protocol):
    """Something up to a bound that has a flat fee."""

    @property
    def flat_amount(self) -> Fraction: ...


def flats_entered(quantity: Fraction, tiers: Sequence[Flat]) -> list[Fraction]:
    """Return the flat fees of the tiers that any of a quantity falls into; below 0 mirrored."""
    sign = -1 if quantity < 0 else 1
    return [sign * part.tier.flat_amount for part in split_over_tiers(abs(quantity), tiers)]


@dataclass(frozen=True)
class TierFault:
    """What is wrong with the bound of the tier at `index` (from 0)."""

    code: str
    index: int
    message: str


def tier_faults(bounds: Sequence[Fraction | None]) -> list[TierFault]:
    """Return everything that is wrong with a list of upper bounds; None is an open one."""
    faults = []
    highest = Fraction(0)
    for index, bound in enumerate(bounds):
        last = index == len(bounds) - 1
        if bound is None:
            if not last:
                faults.append(TierFault("open_tier_not_last", index, "Only the last tier is open."))
            continue
        if bound <= 0:
            faults.append(TierFault("tier_bound_not_positive", index, "A bound is above 0."))
        elif bound == highest:
            faults.append(TierFault("tier_bounds_equal", index, "Two tiers end at one bound."))
        elif bound < highest:
            message = "Tiers rise: this bound lies below an earlier one."
            faults.append(TierFault("tiers_not_sorted", index, message))
        highest = max(highest, bound)
        if last:
            message = "The last tier is open: its up_to is null."
            faults.append(TierFault("missing_open_last_tier", index, message))
    return faults
