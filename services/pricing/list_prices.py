"""The list prices of `genai-prices`, compiled into our own table when the service starts.

The library finds a price by trying rules; that is too slow and too lenient for bills: what it does
not know it prices as something similar. Compiled, each key has its dates, or a reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.metadata import version
from itertools import product

from genai_prices.data import providers
from genai_prices.types import (
    ClauseContains,
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from services.pricing.domain.cost.circumstances import service_tier_of
from services.pricing.domain.cost.prices import (
    PriceHistory,
    PriceKey,
    PriceTable,
    Reason,
    Step,
    UnitPrice,
)

FIRST_DAY = date(2000, 1, 1)
"""Prices without a first day hold from here on."""

MILLION = 1_000_000
THOUSAND = 1_000

KIND_FIELDS: Mapping[str, tuple[str, ...]] = {
    "input_uncached": ("input_mtok",),
    "input_cache_read": ("cache_read_mtok", "input_mtok"),
    "input_cache_write": ("cache_write_mtok", "input_mtok"),
    "input_cache_write_5m": ("cache_write_mtok", "input_mtok"),
    "input_cache_write_30m": ("cache_write_mtok", "input_mtok"),
    "input_cache_write_1h": ("cache_write_1h_mtok",),
    "input_tool": ("input_mtok",),
    "output_text": ("output_mtok",),
    "output_reasoning": ("output_reasoning_mtok", "output_mtok"),
    "output_citation": ("output_citation_mtok", "output_mtok"),
    "web_search_requests": ("web_searches_kcount",),
    "requests": ("requests_kcount",),
    "audio_seconds": ("audio_hours", "input_audio_hours"),
}
"""Our kinds → the library's fields, the first that has a price. Reads from a cache and writes to it
without a price of their own cost what input costs. A write of one hour is never taken for a shorter
one, which is cheaper; for 12 hours the library has no price at all.
"""

UNITS = {"_mtok": MILLION, "_kcount": THOUSAND, "_hours": 3_600}
"""How a field's name ends → for how many of our units its amount is."""

Resolved = UnitPrice | Reason | None


@dataclass(frozen=True)
class _Context:
    """Circumstances of a request that a model has prices for."""

    service_tier: str
    batch: bool
    speed: str

    def words(self) -> dict[str, str]:
        """Return the circumstances in the library's words."""
        named = {"service_tier": self.service_tier, "speed": self.speed}
        named["processing"] = "batch" if self.batch else ""
        return {name: value for name, value in named.items() if value}


@cache
def list_release() -> str:
    """Return which data the list is: a cost is reproducible only with the same release."""
    return f"genai-prices {version('genai-prices')}"


@cache
def list_prices() -> PriceTable:
    """Return the table of the installed release; compiled once, about a second."""
    return compile_prices(providers)


def compile_prices(listed: Iterable[Provider]) -> PriceTable:
    """Return providers' models as a table: no rule left to try, amounts for single units."""
    by_id = {provider.id: provider for provider in listed}
    histories = {
        key: history
        for provider in by_id.values()
        for model in provider.models
        for key, history in _model_histories(provider, model)
    }
    return PriceTable(histories, {name: _names(by_id, one) for name, one in by_id.items()})


def _names(by_id: Mapping[str, Provider], provider: Provider) -> dict[str, tuple[str, str]]:
    """Return what a provider's models are called → where the price stands, own models first."""
    names: dict[str, tuple[str, str]] = {}
    sellers = [provider, *(by_id[name] for name in provider.fallback_model_providers or ())]
    for seller in sellers:
        for model in seller.models:
            names.setdefault(model.id, (seller.id, model.id))
        for clause_type in (ClauseEquals, ClauseStartsWith, ClauseContains):
            for model in seller.models:
                for name in _texts(model.match, clause_type):
                    names.setdefault(name, (seller.id, model.id))
    return names


def _texts(clause: MatchLogic, wanted: type) -> Iterator[str]:
    """Yield the names that a model's rule spells out; they are then taken as whole names."""
    if isinstance(clause, ClauseOr):
        for part in clause.or_:
            yield from _texts(part, wanted)
    elif isinstance(clause, wanted):
        match clause:
            case ClauseEquals(equals=text) | ClauseStartsWith(starts_with=text):
                yield text
            case ClauseContains(contains=text):
                yield text


def _model_histories(
    provider: Provider, model: ModelInfo
) -> Iterator[tuple[PriceKey, PriceHistory]]:
    days = _days(model)
    for context in _contexts(model):
        for kind in KIND_FIELDS:
            prices = [_price(model, kind, context, day) for day in days]
            if all(price is None for price in prices):
                continue
            key = PriceKey(
                provider.id, model.id, kind, context.service_tier, context.batch, context.speed
            )
            kept = tuple(Reason.NO_PRICE_ON_DAY if price is None else price for price in prices)
            yield key, PriceHistory(tuple(days), kept)


def _constraints(model: ModelInfo) -> list[StartDateConstraint | TimeOfDateConstraint]:
    prices = [] if isinstance(model.prices, ModelPrice) else model.prices
    conditional = [*prices, *(model.price_variants or ())]
    return [one.constraint for one in conditional if one.constraint is not None]


def _days(model: ModelInfo) -> list[date]:
    """Return the days on which some price of a model may change."""
    starts = {one.start_date for one in _constraints(model) if isinstance(one, StartDateConstraint)}
    return sorted({FIRST_DAY} | starts)


def _contexts(model: ModelInfo) -> Iterator[_Context]:
    variants = model.price_variants or ()
    # What a list says of the standard tier by name is what it says without a name.
    tiers = {service_tier_of(variant.when.get("service_tier", "")) for variant in variants} | {""}
    speeds = {"", *(variant.when.get("speed", "") for variant in variants)}
    batches = {False, *(variant.when.get("processing") == "batch" for variant in variants)}
    for tier, batch, speed in product(sorted(tiers), sorted(batches), sorted(speeds)):
        yield _Context(tier, batch, speed)


def _price(model: ModelInfo, kind: str, context: _Context, day: date) -> Resolved:
    """Return the price of a day; None if there is none, a reason if the hour decides."""
    found: set[Resolved] = set()
    for instant in _instants(model, day):
        words = context.words()
        if words and not _is_listed(model, words, instant):
            return None
        found.add(_of_kind(model.get_prices(instant, words), kind))
    return found.pop() if len(found) == 1 else Reason.DEPENDS_ON_HOUR


def _instants(model: ModelInfo, day: date) -> set[datetime]:
    """Return an instant for each part of the day that may have a price of its own."""
    hours = {time(0)}
    for one in _constraints(model):
        if isinstance(one, TimeOfDateConstraint):
            hours |= {one.start_time.replace(tzinfo=None), one.end_time.replace(tzinfo=None)}
    return {datetime.combine(day, hour, UTC) for hour in hours}


def _is_listed(model: ModelInfo, words: dict[str, str], instant: datetime) -> bool:
    """Tell whether the list speaks of every one of the circumstances, together or one by one."""
    active = [variant for variant in model.price_variants or () if _active(variant, instant)]
    said = {
        item
        for variant in active
        if variant.when.items() <= words.items()
        for item in variant.when.items()
    }
    return said == set(words.items())


def _active(variant: PriceVariant, instant: datetime) -> bool:
    return variant.constraint is None or variant.constraint.active(instant)


def _of_kind(price: ModelPrice, kind: str) -> UnitPrice | None:
    fields = KIND_FIELDS[kind]
    if kind == "input_cache_write_1h" and getattr(price, "cache_write_mtok", None) is None:
        fields = (*fields, "input_mtok")
    for field in fields:
        value: Decimal | TieredPrices | None = getattr(price, field, None)
        if value is not None:
            return _unit_price(value, _units_of(field))
    return None


def _units_of(field: str) -> int:
    return next(units for ending, units in UNITS.items() if field.endswith(ending))


def _unit_price(value: Decimal | TieredPrices, units: int) -> UnitPrice:
    if isinstance(value, TieredPrices):
        steps = tuple(Step(tier.start, Fraction(tier.price) / units) for tier in value.tiers)
        return UnitPrice(Fraction(value.base) / units, steps)
    return UnitPrice(Fraction(value) / units)
