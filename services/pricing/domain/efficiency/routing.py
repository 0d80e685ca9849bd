"""What routing to a cheaper model would save, or lose: against a baseline fixed beforehand.

The baseline is the model whose requests the policy is about, named beforehand: never "the dearest".
Usage names the model that answered, so what was routed away from it already is not in it. The same
tokens are counted on the chosen model (its answers may be longer or shorter: that is assumed away,
and said so), in the same context and circumstances.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.efficiency.caching import WRITES_FIRST
from services.pricing.domain.efficiency.costing import (
    READ,
    UNCACHED,
    Coster,
    UnpricedKey,
    is_usage,
)
from services.pricing.domain.usage import Usage


@dataclass(frozen=True)
class Model:
    """A model of a provider, both as usage names them."""

    provider: str
    model: str


@dataclass(frozen=True)
class RoutingPolicy:
    """What the vendor states before it looks at a saving; shares are from 0 to 1 inclusive.

    agent          whose requests; empty: of all agents
    baseline       what they ask for
    chosen         what they would get
    hold_out       share of requests that stays on the baseline, to compare with
    gate           share of routed requests whose answer passes the quality gate; the others are
                   repeated on the baseline, and both are paid
    cache_loss     share of cached input that the chosen model has to write anew, since a
                   conversation comes to it from another model
    router_cost    what deciding costs in the period, in US dollars, at least 0
    """

    name: str
    agent: str
    baseline: Model
    chosen: Model
    hold_out: Fraction
    gate: Fraction
    cache_loss: Fraction
    router_cost: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        shares = (self.hold_out, self.gate, self.cache_loss)
        if any(not 0 <= share <= 1 for share in shares) or self.router_cost < 0:
            raise ValueError("shares are from 0 to 1, a cost is 0 or more")
        if self.baseline == self.chosen:
            raise ValueError("the chosen model is another than the baseline")


@dataclass(frozen=True)
class RoutingSaving:
    """What a policy would have saved in US dollars; every part is 0 or more but for `cheaper`.

    saving = cheaper - lost_cache - repeated - router_cost, exactly.
    """

    policy: RoutingPolicy
    baseline_cost: Fraction
    """Of what the policy is about and both models have a price for, as it was."""
    cheaper: Fraction
    """Routed requests on the baseline less the same on the chosen model."""
    lost_cache: Fraction
    repeated: Fraction
    unpriced: dict[UnpricedKey, Fraction]

    @property
    def saving(self) -> Fraction:
        """What is left, below 0 for a loss."""
        return self.cheaper - self.lost_cache - self.repeated - self.policy.router_cost

    @property
    def share(self) -> Fraction | None:
        """The saving as a part of the baseline's cost; None without cost."""
        return self.saving / self.baseline_cost if self.baseline_cost else None


def routing_saving(
    rows: Iterable[Usage], policy: RoutingPolicy, prices: ProviderPrices
) -> RoutingSaving:
    """Return what a policy would have saved. What has no price on either side is left out, listed.

    Order and splitting of the rows change nothing.
    """
    coster = Coster(prices)
    baseline = chosen = lost = Fraction(0)
    about = [row for row in rows if _is_about(policy, row)]
    writes = _writes_of(about)
    for row in about:
        there = row._replace(provider=policy.chosen.provider, model=policy.chosen.model)
        was, would = coster.cost(row), coster.cost(there)
        more = None if would is None else _lost(there, policy, writes, coster)
        if was is None or would is None or more is None:
            continue
        baseline, chosen, lost = baseline + was, chosen + would, lost + more
    routed = 1 - policy.hold_out
    return RoutingSaving(
        policy=policy,
        baseline_cost=baseline,
        cheaper=routed * (baseline - chosen),
        lost_cache=routed * lost,
        repeated=routed * (1 - policy.gate) * baseline,
        unpriced=coster.unpriced,
    )


def unknown_baselines(
    rows: Sequence[Usage], policies: Sequence[RoutingPolicy]
) -> list[RoutingPolicy]:
    """Return policies whose baseline nobody asked for: their saving would be of nothing."""
    return [one for one in policies if not any(_is_about(one, row) for row in rows)]


def _is_about(policy: RoutingPolicy, row: Usage) -> bool:
    asked = Model(row.provider, row.model)
    return is_usage(row) and asked == policy.baseline and policy.agent in ("", row.agent)


def _writes_of(rows: Iterable[Usage]) -> tuple[str, ...]:
    """Return the kinds of cache writes, those that these rows wrote most of first.

    What lives for an hour is written anew for an hour, at its price.
    """
    written = dict.fromkeys(WRITES_FIRST, Fraction(0))
    for row in rows:
        if row.kind in written:
            written[row.kind] += row.quantity
    return tuple(sorted(WRITES_FIRST, key=lambda kind: -written[kind]))


def _lost(
    there: Usage, policy: RoutingPolicy, writes: Sequence[str], coster: Coster
) -> Fraction | None:
    """Return what writing a cached row anew costs above reading it; None, and listed, if unknown.

    Without a price for writes they are fresh input.
    """
    if there.kind != READ or not policy.cache_loss:
        return Fraction(0)
    read = coster.price(there)
    write = coster.first_price(there, writes)
    if write is None:
        write = coster.price(there._replace(kind=UNCACHED), of=there)
    if read is None or write is None:
        return None
    return there.quantity * policy.cache_loss * max(write - read, Fraction(0))
