"""What a plan comes to for a tenant, and for all: revenue, cost, margin, who pays more."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.cost.margin import Margin
from shared.money import sum_exact

ZERO = Fraction(0)


@dataclass(frozen=True)
class Outcome:
    """What a tenant brings in under a plan, and what it pays `today`, over the same usage.

    `cost` is in US dollars, of what has a price; `complete` tells whether that is all of it.
    """

    tenant_id: str
    revenue: Fraction
    today: Fraction
    cost: Fraction = ZERO
    complete: bool = True

    @property
    def change(self) -> Fraction:
        """How much more (or less) the tenant pays."""
        return self.revenue - self.today

    @property
    def margin(self) -> Margin:
        return Margin(self.revenue, self.cost, self.complete)


@dataclass(frozen=True)
class Group:
    """Tenants, and how much their bills change together."""

    tenants: int
    change: Fraction

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Group":
        changes = [one.change for one in outcomes]
        return cls(len(changes), sum_exact(changes))


@dataclass(frozen=True)
class Sum:
    """All tenants together. `pays_more` are the losers of the plan, `pays_less` its winners."""

    revenue: Fraction
    today: Fraction
    cost: Fraction
    complete: bool
    pays_more: Group
    pays_less: Group
    unchanged: int

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> "Sum":
        """Add up outcomes of different tenants."""
        return cls(
            revenue=sum_exact([one.revenue for one in outcomes]),
            today=sum_exact([one.today for one in outcomes]),
            cost=sum_exact([one.cost for one in outcomes]),
            complete=all(one.complete for one in outcomes),
            pays_more=Group.of(one for one in outcomes if one.change > 0),
            pays_less=Group.of(one for one in outcomes if one.change < 0),
            unchanged=sum(not one.change for one in outcomes),
        )

    @property
    def change(self) -> Fraction:
        return self.revenue - self.today

    @property
    def margin(self) -> Margin:
        return Margin(self.revenue, self.cost, self.complete)
