"""Which charge claims a row of usage."""

from collections.abc import Sequence

from services.pricing.domain.charges import Charge, FlatCharge, PerSeatCharge, UsageFilter
from services.pricing.domain.usage import Usage


def claims(usage_filter: UsageFilter, usage: Usage) -> bool:
    """Tell whether a filter accepts a row: each named dimension holds one of its values."""
    return all(getattr(usage, name) in values for name, values in usage_filter.dimensions.items())


def claiming_charge(charges: Sequence[Charge], usage: Usage) -> int | None:
    """Return the position of the charge that claims a row; None when none does.

    A published plan has no two charges that could claim the same row.
    """
    for position, charge in enumerate(charges):
        if isinstance(charge, FlatCharge | PerSeatCharge):
            continue
        if claims(charge.usage, usage):
            return position
    return None


def intersects(one: UsageFilter, other: UsageFilter) -> bool:
    """Tell whether some row could be claimed by both: they meet in every dimension."""
    shared_dimensions = one.dimensions.keys() & other.dimensions.keys()
    return all(one.dimensions[name] & other.dimensions[name] for name in shared_dimensions)
