"""The level as days begin, for prices of a level: the sum of its changes so far."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction

from services.pricing.domain.plan import Plan
from services.pricing.domain.usage import Usage

ZERO = Fraction(0)


def levels_of(plan: Plan, before: Iterable[Usage]) -> Mapping[str, Fraction]:
    """Return the level of each charge of a plan that prices one, by its key.

    `before` is all usage of the tenant on earlier days. What a charge claims of it counts, whatever
    plan was paid by then: storage does not empty when a subscription begins.
    """
    levels: dict[str, Fraction] = defaultdict(Fraction)
    for row in before:
        position, _ = plan.claims.positions_of(row)
        if position is not None and position in plan.leveled:
            levels[plan.charges[position].key] += row.quantity
    return {charge.key: levels.get(charge.key, ZERO) for charge in plan.leveled.values()}


def level_kinds(plan: Plan) -> frozenset[str]:
    """Return the kinds, or patterns of them, of which usage may be changes of a level."""
    usages = (charge.usage for charge in plan.leveled.values())
    return frozenset(kind for usage in usages if usage is not None for kind in usage.kinds)
