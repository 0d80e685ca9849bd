"""What was paid for and came to nothing: aborted and failed requests, and thinking in them.

Each amount is a part of the one before, so they are never added up: thinking of what was aborted is
in what was aborted. All are what is known at least: a request that broke off before its provider
told its usage has no tokens, and thinking that a provider does not tell apart is text.

What was retried is known where events say which one they repeat, and of runs alone. Usage by day
has a status and no mark of which request repeated which; tries inside a provider's own client are
one event.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.efficiency.costing import (
    REASONING,
    Coster,
    UnpricedKey,
    by_agent_and_model,
)
from services.pricing.domain.usage import Usage

AMOUNTS = ("cost", "reasoning", "aborted", "failed", "aborted_reasoning", "failed_reasoning")


@dataclass(frozen=True)
class Waste:
    """What one agent on one model cost in US dollars, and how much of it came to nothing."""

    agent: str
    provider: str
    model: str
    cost: Fraction
    reasoning: Fraction
    """Of `cost`, the thinking."""
    aborted: Fraction
    """Of `cost`, requests that broke off."""
    failed: Fraction
    """Of `cost`, requests that failed."""
    aborted_reasoning: Fraction
    """Of `aborted`, the thinking."""
    failed_reasoning: Fraction
    """Of `failed`, the thinking."""

    @property
    def unused_reasoning(self) -> Fraction:
        """Of `reasoning`, that of aborted and failed requests: no whole answer came of it."""
        return self.aborted_reasoning + self.failed_reasoning

    @property
    def share(self) -> Fraction | None:
        """Aborted and failed as a part of the cost; None without cost."""
        return (self.aborted + self.failed) / self.cost if self.cost else None


@dataclass(frozen=True)
class WasteReport:
    """Waste by agent and model, in that order."""

    agents: tuple[Waste, ...]
    unpriced: dict[UnpricedKey, Fraction]

    @property
    def total(self) -> Waste:
        """The same of all together, under empty names."""
        sums = (sum((getattr(one, name) for one in self.agents), Fraction(0)) for name in AMOUNTS)
        return Waste("", "", "", *sums)


def waste_report(rows: Iterable[Usage], prices: ProviderPrices) -> WasteReport:
    """Return what came to nothing. Order of the rows changes nothing."""
    coster = Coster(prices)
    groups = by_agent_and_model(rows)
    agents = tuple(_waste(key, groups[key], coster) for key in groups)
    return WasteReport(agents, coster.unpriced)


@dataclass(frozen=True)
class Retried:
    """What an agent's requests on a model cost that say which one they repeat, in US dollars.

    Not another part of waste: what they repeat may be aborted or failed, and they may be it, too.
    """

    agent: str
    provider: str
    model: str
    cost: Fraction


@dataclass(frozen=True)
class RetriedReport:
    """Repeats by agent and model, in that order; none: nobody said so, which is not 0."""

    agents: tuple[Retried, ...]
    unpriced: dict[UnpricedKey, Fraction]

    @property
    def cost(self) -> Fraction:
        return sum((one.cost for one in self.agents), Fraction(0))


def retried_report(rows: Iterable[Usage], prices: ProviderPrices) -> RetriedReport:
    """Return what rows cost that all say what they repeat. Their order changes nothing."""
    coster = Coster(prices)
    groups = by_agent_and_model(rows)
    agents = tuple(
        Retried(*key, sum((coster.cost(row) or Fraction(0) for row in groups[key]), Fraction(0)))
        for key in groups
    )
    return RetriedReport(agents, coster.unpriced)


def _waste(key: tuple[str, str, str], rows: Sequence[Usage], coster: Coster) -> Waste:
    costs = [(row, coster.cost(row) or Fraction(0)) for row in rows]

    def of(*, status: str = "", kind: str = "") -> Fraction:
        chosen = (
            cost for row, cost in costs if status in ("", row.status) and kind in ("", row.kind)
        )
        return sum(chosen, Fraction(0))

    return Waste(
        *key,
        cost=of(),
        reasoning=of(kind=REASONING),
        aborted=of(status="aborted"),
        failed=of(status="failed"),
        aborted_reasoning=of(status="aborted", kind=REASONING),
        failed_reasoning=of(status="failed", kind=REASONING),
    )
