"""Prices of providers: dated, by kind of usage and by the circumstances of the request."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from shared.context_bands import BAND_ABOVE, BAND_UNKNOWN, CONTEXT_BANDS

BAND_EDGES: frozenset[int] = frozenset(upper for _, upper in CONTEXT_BANDS)
"""Where long-context prices can begin so that the bands of metering tell the sides apart."""


class Reason(StrEnum):
    """Why usage has no cost. It is never taken for zero."""

    UNKNOWN_PROVIDER = "unknown_provider"
    UNKNOWN_MODEL = "unknown_model"
    NO_PRICE_FOR_KIND = "no_price_for_kind"
    NO_PRICE_FOR_SERVICE_TIER = "no_price_for_service_tier"
    NO_PRICE_FOR_BATCH = "no_price_for_batch"
    NO_PRICE_FOR_SPEED = "no_price_for_speed"
    NO_PRICE_ON_DAY = "no_price_on_day"
    DEPENDS_ON_HOUR = "depends_on_hour"
    BAND_STRADDLES_THRESHOLD = "band_straddles_threshold"


class Source(StrEnum):
    """Who says a price, the strongest first."""

    CONTRACT = "contract"
    MANUAL = "manual"
    LIST = "list"


@dataclass(frozen=True)
class Step:
    """From more than `above` input tokens of a request on, each unit costs `unit_amount`."""

    above: int
    unit_amount: Fraction


@dataclass(frozen=True)
class UnitPrice:
    """US dollars for one unit; `steps` replace it for all of a request with long input (a cliff).

    Amounts are >= 0, the bounds of the steps positive and rising.
    """

    unit_amount: Fraction
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        bounds = [0, *(step.above for step in self.steps)]
        if any(lower >= upper for lower, upper in pairwise(bounds)):
            raise ValueError("the bounds of long-context prices are positive and rise")
        if any(amount < 0 for amount in self.amounts()):
            raise ValueError("a price is 0 or more")

    def amounts(self) -> list[Fraction]:
        """Return the amounts from the shortest context to the longest."""
        return [self.unit_amount, *(step.unit_amount for step in self.steps)]

    def in_band(self, band: str) -> Fraction | Reason:
        """Return the amount for requests of a context band.

        Unknown context has the price of short requests; the caller says so (`assumes_context`). A
        band that lies on both sides of a bound has no price unless both sides cost the same.
        """
        if band == BAND_UNKNOWN or not self.steps:
            return self.unit_amount
        if band not in _LIMITS:
            return Reason.BAND_STRADDLES_THRESHOLD
        lower, upper = _LIMITS[band]
        found = {self._at(lower + 1), self._at(upper) if upper else self.amounts()[-1]}
        within = {
            step.unit_amount
            for step in self.steps
            if lower < _edge(step.above) and (upper is None or _edge(step.above) < upper)
        }
        amounts = found | within
        return amounts.pop() if len(amounts) == 1 else Reason.BAND_STRADDLES_THRESHOLD

    def assumes_context(self, band: str) -> bool:
        """Tell whether the price of a band is that of short requests for want of knowledge."""
        return band == BAND_UNKNOWN and len(set(self.amounts())) > 1

    def _at(self, context: int) -> Fraction:
        amount = self.unit_amount
        for step in self.steps:
            if context > _edge(step.above):
                amount = step.unit_amount
        return amount


def _edge(above: int) -> int:
    """Return where a step begins: 199,999 is how some lists write "from 200,000 on".

    A request of exactly that many tokens is then counted as short, which no band could tell.
    """
    return above + 1 if above + 1 in BAND_EDGES else above


def _limits() -> dict[str, tuple[int, int | None]]:
    limits: dict[str, tuple[int, int | None]] = {}
    lower = 0
    for name, upper in CONTEXT_BANDS:
        limits[name] = (lower, upper)
        lower = upper
    return limits | {BAND_ABOVE: (lower, None)}


_LIMITS = _limits()


@dataclass(frozen=True)
class PriceKey:
    """What a list price depends on besides day and context; empty is the provider's standard."""

    provider: str
    model: str
    kind: str
    service_tier: str = ""
    batch: bool = False
    speed: str = ""


@dataclass(frozen=True)
class PriceHistory:
    """Prices one after the other: `prices[i]` holds on `[days[i], days[i + 1])`.

    A reason stands where the list cannot say one price for a day.
    """

    days: tuple[date, ...]
    prices: tuple[UnitPrice | Reason, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise(self.days))
        if not self.days or len(self.days) != len(self.prices) or not rising:
            raise ValueError("a history has a price for each of its days, and the days rise")

    def on(self, day: date) -> UnitPrice | Reason:
        """Return the price of a UTC day."""
        position = bisect_right(self.days, day) - 1
        return self.prices[position] if position >= 0 else Reason.NO_PRICE_ON_DAY


@dataclass(frozen=True)
class PriceTable:
    """List prices. `models` maps a provider to what a model is called there → (provider, model)."""

    histories: Mapping[PriceKey, PriceHistory]
    models: Mapping[str, Mapping[str, tuple[str, str]]]
