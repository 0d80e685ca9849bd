"""The tier rule: half-open intervals on exact numbers, upper bound inclusive, without gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.charges import Tier


@dataclass(frozen=True)
class TierPart:
    """How many units fall into a tier: the interval is (lower, tier.up_to]."""

    number: int
    tier: Tier
    units: Fraction
    open_ended: bool


def split_over_tiers(quantity: Fraction, tiers: Sequence[Tier]) -> list[TierPart]:
    """Return the parts of `quantity` >= 0 in the tiers that any of it falls into."""
    parts = []
    lower = Fraction(0)
    for number, tier in enumerate(tiers, start=1):
        if quantity <= lower:
            break
        upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
        parts.append(TierPart(number, tier, upper - lower, tier.up_to is None))
        lower = upper if tier.up_to is None else tier.up_to
    return parts


def tier_reached(quantity: Fraction, tiers: Sequence[Tier]) -> TierPart | None:
    """Return the tier that `quantity` >= 0 reaches, holding all of it; None at quantity 0."""
    parts = split_over_tiers(quantity, tiers)
    if not parts:
        return None
    last = parts[-1]
    return TierPart(last.number, last.tier, quantity, last.open_ended)


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
