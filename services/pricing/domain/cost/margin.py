"""What is left of revenue after the provider was paid."""

from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.cost.provider_cost import ProviderCost


@dataclass(frozen=True)
class Margin:
    """Revenue against cost, both in US dollars. Without the whole cost there is no margin."""

    revenue: Fraction
    cost: Fraction
    complete: bool

    @property
    def amount(self) -> Fraction | None:
        """What is left, below 0 for a loss; None while some usage is unpriced."""
        return self.revenue - self.cost if self.complete else None

    @property
    def share(self) -> Fraction | None:
        """The margin as a part of revenue (1 is all of it); None without revenue or whole cost."""
        return self.amount / self.revenue if self.amount is not None and self.revenue else None


def margin(revenue: Fraction, cost: ProviderCost) -> Margin:
    """Return the margin of what some usage brought in (a line, a statement) over what it cost."""
    return Margin(revenue, cost.total, cost.complete)
