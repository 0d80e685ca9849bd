"""What can be wrong with a charge whose parts are each well-formed."""

from collections.abc import Iterator, Mapping, Sequence

from services.pricing.domain.context_bands import BOUNDS, EDGES
from services.pricing.domain.patterns import combinations_of, doubled, matches
from services.pricing.domain.usage import SEAT_DIMENSIONS
from services.pricing.schemas.charges.by_event import ActionCreditsCharge, PercentageCharge
from services.pricing.schemas.charges.by_row import ContextTierCharge, MatrixCharge
from services.pricing.schemas.charges.charge import ChargeContent
from services.pricing.schemas.conditions import QuantityConditions, UsageConditions
from services.pricing.schemas.price_book import Charge, Pool
from services.pricing.schemas.usage_filter import UsageFilter
from shared.errors import Fault
from shared.money import exact

COMBINATIONS_MAX = 10_000
"""Combinations of patterns that one charge may hold; every one is an entry of a table."""

UNKNOWN_BAND = "unknown"
"""The band of requests whose context nobody stated."""


def charge_faults(charge: Charge, path: str, pools: Mapping[str, Pool]) -> Iterator[Fault]:
    """Return what would keep a charge from being rated, each fault with its place."""
    yield from _bound_faults(charge, path)
    if isinstance(charge, UsageConditions):
        yield from _pool_faults(charge, path, pools)
        yield from _commitment_faults(charge, path)
    if isinstance(charge, QuantityConditions) and charge.conversion is not None:
        rates = [(tuple(rate.models), tuple(rate.kinds)) for rate in charge.conversion.rates]
        yield from _table_faults(rates, f"{path}.conversion.rates", noun="rate")
    if isinstance(charge, MatrixCharge):
        yield from _matrix_faults(charge, path)
    if isinstance(charge, ContextTierCharge):
        yield from _context_tier_faults(charge, path)
    if isinstance(charge, PercentageCharge | ActionCreditsCharge):
        yield from _event_faults(charge, path)
    usage = getattr(charge, "usage", None)
    if isinstance(usage, UsageFilter):
        yield from _band_faults(usage.context_bands or [], f"{path}.usage.context_bands")


def _bound_faults(charge: ChargeContent, path: str) -> Iterator[Fault]:
    pairs = [("minimum_amount", charge.minimum_amount, charge.maximum_amount)]
    if isinstance(charge, PercentageCharge):
        pairs.append(("min_per_event", charge.min_per_event, charge.max_per_event))
    for name, low, high in pairs:
        if low is not None and high is not None and exact(low) > exact(high):
            message = "A minimum is at most the maximum."
            yield Fault("minimum_above_maximum", f"{path}.{name}", message)


def _pool_faults(charge: UsageConditions, path: str, pools: Mapping[str, Pool]) -> Iterator[Fault]:
    for place, key in enumerate(charge.pools):
        here, pool = f"{path}.pools[{place}]", pools.get(key)
        if key in charge.pools[:place]:
            yield Fault("duplicate_key", here, "The charge names this pool before.")
        if pool is None:
            continue
        if pool.measure == "quantity" and not isinstance(charge, QuantityConditions):
            message = "This charge has several prices: only a pool of money can be included."
            yield Fault("pool_needs_one_price", here, message)
        if pool.scope == "per_seat" and not _known_by_user(charge):
            message = f"Usage of a seat is known by {', '.join(SEAT_DIMENSIONS)} only."
            yield Fault("per_seat_pool_dimensions", here, message)


def _known_by_user(charge: UsageConditions) -> bool:
    usage = getattr(charge, "usage", None)
    return not isinstance(usage, UsageFilter) or usage.to_domain().known_by_user


def _commitment_faults(charge: UsageConditions, path: str) -> Iterator[Fault]:
    commitment = charge.commitment
    if commitment is None:
        return
    if (commitment.amount is None) is (commitment.quantity is None):
        message = "A commitment is an amount or a quantity, one of both."
        yield Fault("commitment_amount_or_quantity", f"{path}.commitment", message)
    elif commitment.quantity is not None and not isinstance(charge, QuantityConditions):
        message = "This charge has several prices: its commitment is an amount."
        yield Fault("commitment_needs_one_price", f"{path}.commitment.quantity", message)


def _table_faults(
    entries: Sequence[tuple[tuple[str, ...], ...]], path: str, *, noun: str
) -> Iterator[Fault]:
    if combinations_of(entries) > COMBINATIONS_MAX:
        message = f"All {noun}s together hold at most {COMBINATIONS_MAX} combinations."
        yield Fault("too_many_combinations", path, message)
        return
    for first, place in doubled(entries):
        message = f"The {noun} at {first} is for the same usage."
        yield Fault(f"duplicate_{noun}", f"{path}[{place}]", message)


def _matrix_faults(charge: MatrixCharge, path: str) -> Iterator[Fault]:
    patterns = [cell.to_domain().patterns for cell in charge.cells]
    yield from _table_faults(patterns, f"{path}.cells", noun="cell")
    for place, cell in enumerate(charge.cells):
        yield from _band_faults(cell.context_bands, f"{path}.cells[{place}].context_bands")


def _context_tier_faults(charge: ContextTierCharge, path: str) -> Iterator[Fault]:
    kinds = charge.tiers[0].unit_amounts.keys()
    for place, tier in enumerate(charge.tiers):
        here = f"{path}.tiers[{place}]"
        if tier.up_to is not None and exact(tier.up_to) not in EDGES:
            edges = ", ".join(str(edge) for edge in BOUNDS.values() if edge is not None)
            message = f"Requests are counted by context up to {edges}."
            yield Fault("not_a_context_bound", f"{here}.up_to", message)
        if tier.unit_amounts.keys() != kinds:
            message = "Every tier prices the same kinds as the first."
            yield Fault("tier_kinds_differ", f"{here}.unit_amounts", message)


def _event_faults(charge: PercentageCharge | ActionCreditsCharge, path: str) -> Iterator[Fault]:
    named, kinds = charge.usage.to_domain(), charge.usage.kinds
    one_kind = len(kinds) == 1 and "*" not in kinds[0]
    if needs_events(charge) and not (
        one_kind and not named.exempt and named.dimensions.keys() == {"kind"}
    ):
        message = "Prices of single events name one kind, and nothing else of the usage."
        yield Fault("events_need_one_kind", f"{path}.usage", message)


def needs_events(charge: PercentageCharge | ActionCreditsCharge) -> bool:
    """Tell whether a charge prices single events, and not only their sum."""
    if isinstance(charge, ActionCreditsCharge):
        return True
    if charge.min_per_event is not None:
        # Bounds that contradict each other are told on their own, and would be no price.
        charge = charge.model_copy(update={"max_per_event": None})
    return charge.price().needs_events


def _band_faults(bands: list[str], path: str) -> Iterator[Fault]:
    for place, pattern in enumerate(bands):
        if not any(matches(pattern, band) for band in (*BOUNDS, UNKNOWN_BAND)):
            message = f"Context bands are {', '.join(BOUNDS)} and {UNKNOWN_BAND}."
            yield Fault("unknown_context_band", f"{path}[{place}]", message)
