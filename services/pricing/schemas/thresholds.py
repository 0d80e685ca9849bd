"""What can be wrong with the thresholds of a plan whose amounts are each well-formed."""

from collections.abc import Iterator
from itertools import pairwise

from services.pricing.schemas.price_book import Plan
from shared.errors import Fault
from shared.money import exact


def threshold_faults(plan: Plan, path: str) -> Iterator[Fault]:
    """Return what would make a plan invoice in mid-period twice, or without end."""
    amounts = list(map(exact, ["0", *plan.progressive_thresholds]))
    for place, (before, amount) in enumerate(pairwise(amounts)):
        if amount <= before:
            message = "A threshold lies above the one before it, the first above 0."
            yield Fault("thresholds_not_rising", f"{path}.progressive_thresholds[{place}]", message)
    recurring, here = plan.progressive_recurring, f"{path}.progressive_recurring"
    if recurring is None:
        return
    if not exact(recurring):
        yield Fault("not_positive", here, "This number is above 0.")
    if not plan.progressive_thresholds:
        message = "What recurs does so beyond the last of `progressive_thresholds`."
        yield Fault("recurring_without_thresholds", here, message)
