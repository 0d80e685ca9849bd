"""What usage costs the vendor: contract before manual before list price, else unpriced."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import groupby
from operator import attrgetter

from services.pricing.domain.cost.circumstances import service_tier_of, speed_of
from services.pricing.domain.cost.model_ids import canonical_provider, normalise_model
from services.pricing.domain.cost.overlay import Overlay, OverlayPrice
from services.pricing.domain.cost.prices import PriceKey, PriceTable, Reason, Source, UnitPrice
from services.pricing.domain.usage import Usage

METER_PREFIX = "meter:"

FOUND_MAX = 50_000
"""Look-ups that the prices of an account keep."""

_PRICED_BY = attrgetter(
    "provider", "model", "kind", "context_band", "service_tier", "batch", "speed", "usage_day"
)
_IDENTITY = attrgetter(
    *("provider", "agent", "model", "kind", "context_band", "service_tier", "batch", "speed"),
    *("region", "purpose", "status", "usage_day"),
)

DetailKey = tuple[str, str, str, date]
"""(agent, model, kind, usage day), as the details of a statement line have it."""


@dataclass(frozen=True)
class FoundPrice:
    """The price of one row of usage; `context_assumed`: its context is unknown and would matter."""

    source: Source
    unit_amount: Fraction
    context_assumed: bool


@dataclass(frozen=True)
class CostedUsage:
    """A row of usage with its cost: amount = quantity x unit amount, in US dollars."""

    usage: Usage
    found: FoundPrice

    @property
    def amount(self) -> Fraction:
        return self.usage.quantity * self.found.unit_amount


@dataclass(frozen=True)
class UnpricedUsage:
    """A row of usage whose cost nobody knows."""

    usage: Usage
    reason: Reason


@dataclass(frozen=True)
class ProviderCost:
    """The cost of some usage. It is known in full only while nothing is unpriced."""

    costed: tuple[CostedUsage, ...]
    unpriced: tuple[UnpricedUsage, ...]

    @property
    def total(self) -> Fraction:
        """The cost of what has a price, in US dollars."""
        return sum((row.amount for row in self.costed), Fraction(0))

    @property
    def complete(self) -> bool:
        return not self.unpriced

    def by_detail(self) -> dict[DetailKey, Fraction | None]:
        """Return the cost of each part of a statement; None where some of the part is unpriced."""
        sums: dict[DetailKey, Fraction | None] = defaultdict(Fraction)
        for row in self.costed:
            key = _detail(row.usage)
            sums[key] = (sums[key] or Fraction(0)) + row.amount
        return {**sums, **{_detail(row.usage): None for row in self.unpriced}}


class ProviderPrices:
    """Finds the price of usage: the vendor's own prices over the list."""

    def __init__(self, table: PriceTable, rows: Iterable[OverlayPrice] = ()) -> None:
        """Put rows of an account over the table."""
        self._table = table
        self._overlay = Overlay(rows, self._meaning)
        self._found: dict[tuple[object, ...], FoundPrice | Reason] = {}

    def find(self, usage: Usage) -> FoundPrice | Reason:
        """Return the strongest price for a row's day and circumstances, or why there is none.

        The answer depends on nothing else, so it is kept: most rows of an account ask the same.
        Where a source has a price whose long-context bound cannot be told from the row's band, no
        weaker source is asked: it would contradict the stronger one.
        """
        key = _PRICED_BY(usage)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= FOUND_MAX:
                self._found.clear()
            found = self._found[key] = self._find(usage)
        return found

    def cost(self, usage: Usage) -> Fraction | None:
        """Return what a row costs in US dollars; None while it is unpriced.

        Values of meters cost nothing of their own: they count again what other rows hold.
        """
        if usage.kind.startswith(METER_PREFIX) or not usage.quantity:
            return Fraction(0)
        found = self.find(usage)
        return None if isinstance(found, Reason) else usage.quantity * found.unit_amount

    def _find(self, usage: Usage) -> FoundPrice | Reason:
        for source in (Source.CONTRACT, Source.MANUAL):
            price = self._overlay.find(source, usage)
            if price is not None:
                return _in_band(price, source, usage)
        known = self._table.models.get(canonical_provider(usage.provider))
        if known is None:
            return Reason.UNKNOWN_PROVIDER
        model = normalise_model(usage.model, known)
        if model not in known:
            return Reason.UNKNOWN_MODEL
        listed = self._listed(usage, *known[model])
        return listed if isinstance(listed, Reason) else _in_band(listed, Source.LIST, usage)

    def _meaning(self, provider: str, model: str) -> str:
        known = self._table.models.get(provider, {})
        name = normalise_model(model, known)
        return known[name][1] if name in known else model

    def _listed(self, usage: Usage, provider: str, model: str) -> UnitPrice | Reason:
        tier, speed = service_tier_of(usage.service_tier), speed_of(usage.speed)
        batch = usage.batch == "true"
        standard = PriceKey(provider, model, usage.kind)
        key = PriceKey(provider, model, usage.kind, tier, batch, speed)
        if key in self._table.histories:
            return self._table.histories[key].on(usage.usage_day)
        if standard not in self._table.histories:
            return Reason.NO_PRICE_FOR_KIND
        if batch:
            return Reason.NO_PRICE_FOR_BATCH
        return Reason.NO_PRICE_FOR_SPEED if speed else Reason.NO_PRICE_FOR_SERVICE_TIER


def _in_band(price: UnitPrice, source: Source, usage: Usage) -> FoundPrice | Reason:
    amount = price.in_band(usage.context_band)
    if isinstance(amount, Reason):
        return amount
    return FoundPrice(source, amount, price.assumes_context(usage.context_band))


def provider_cost(usage: Iterable[Usage], prices: ProviderPrices) -> ProviderCost:
    """Return the exact cost of rows of usage, and the rows without a price.

    Values of meters cost nothing of their own: they count again what other rows hold. Order and
    splitting of the rows change nothing. A quantity of zero neither costs nor lacks a price.
    """
    costed, unpriced = [], []
    for row in _added(usage):
        if not row.quantity or row.kind.startswith(METER_PREFIX):
            continue
        found = prices.find(row)
        if isinstance(found, Reason):
            unpriced.append(UnpricedUsage(row, found))
        else:
            costed.append(CostedUsage(row, found))
    return ProviderCost(tuple(costed), tuple(unpriced))


def _added(usage: Iterable[Usage]) -> Iterator[Usage]:
    """Yield rows added up by everything but their quantity, in one order."""
    for _, same in groupby(sorted(usage, key=_IDENTITY), key=_IDENTITY):
        first, *others = same
        if others:
            first = first._replace(quantity=sum((r.quantity for r in others), first.quantity))
        yield first


def _detail(usage: Usage) -> DetailKey:
    return (usage.agent, usage.model, usage.kind, usage.usage_day)
