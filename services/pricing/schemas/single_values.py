"""What a charge may not ask of a meter that does not add up: its value is one for the period.

It has no model, agent, day or seat, and is no single event. That a meter is one of these is known
when a book is published, so these faults are told then.
"""

from collections.abc import Iterator, Mapping, Sequence

from services.pricing.domain.patterns import matches
from services.pricing.schemas.charge_faults import needs_events
from services.pricing.schemas.charges.by_event import ActionCreditsCharge, PercentageCharge
from services.pricing.schemas.charges.by_row import (
    ContextTierCharge,
    CostPlusCharge,
    MatrixCharge,
    ProratedGraduatedCharge,
    WeightedSumCharge,
)
from services.pricing.schemas.conditions import Conversion, QuantityConditions, UsageConditions
from services.pricing.schemas.price_book import Charge, Pool
from services.pricing.schemas.usage_filter import UsageFilter
from shared.errors import Fault

BY_ROW = (
    *(MatrixCharge, ContextTierCharge, CostPlusCharge),
    *(WeightedSumCharge, ProratedGraduatedCharge),
)


def single_value_faults(
    charge: Charge, path: str, kinds: Sequence[str], pools: Mapping[str, Pool]
) -> Iterator[Fault]:
    """Return what keeps a charge from pricing the single values of these kinds, with places."""
    named = ", ".join(kinds)
    if isinstance(charge, BY_ROW):
        message = f"{named} is one quantity of the period: price it by its sum, as per_unit does."
        yield Fault("meter_needs_one_price", f"{path}.model", message)
    if isinstance(charge, PercentageCharge | ActionCreditsCharge) and needs_events(charge):
        message = f"{named} is one quantity of the period: it has no single events."
        yield Fault("meter_has_no_events", f"{path}.model", message)
    usage = getattr(charge, "usage", None)
    if isinstance(usage, UsageFilter):
        yield from _filter_faults(usage, f"{path}.usage", named)
    if isinstance(charge, QuantityConditions) and charge.conversion is not None:
        yield from _conversion_faults(charge.conversion, f"{path}.conversion.rates", kinds)
    if isinstance(charge, UsageConditions):
        for place, key in enumerate(charge.pools):
            if key in pools and pools[key].scope == "per_seat":
                message = f"{named} is the tenant's: it draws on no pool of a seat."
                yield Fault("meter_has_no_dimensions", f"{path}.pools[{place}]", message)


def event_faults(charge: Charge, path: str) -> Iterator[Fault]:
    """Return what keeps a charge from pricing sums, which are all that pricing is told."""
    if isinstance(charge, PercentageCharge | ActionCreditsCharge) and needs_events(charge):
        message = (
            "Pricing is told sums and no single events: let a meter make of each what it is worth"
            " (per_event: ceil_to, rate, fee, minimum, maximum; free_events), and price the meter."
        )
        yield Fault("needs_a_meter", f"{path}.model", message)


def _filter_faults(usage: UsageFilter, path: str, named: str) -> Iterator[Fault]:
    for name in UsageFilter.model_fields:
        if name != "kinds" and getattr(usage, name) is not None:
            message = f"{named} is counted whatever this is: let the meter's own filters say it."
            yield Fault("meter_has_no_dimensions", f"{path}.{name}", message)


def _conversion_faults(conversion: Conversion, path: str, kinds: Sequence[str]) -> Iterator[Fault]:
    for place, rate in enumerate(conversion.rates):
        if set(kinds) & set(rate.kinds) and not any(matches(model, "") for model in rate.models):
            message = f"{', '.join(kinds)} has no model."
            yield Fault("meter_has_no_dimensions", f"{path}[{place}].models", message)
    domain = conversion.to_domain()
    for kind in kinds:
        named = any(kind in rate.kinds for rate in conversion.rates)
        if not named and domain.rate_of("", kind) is None:
            yield Fault("meter_not_converted", path, f"No rate converts {kind}.")
