"""The order of a rating: one list of steps, each of which leaves its trace on the line."""

from collections.abc import Callable
from fractions import Fraction

from services.pricing.domain.bounds import at_least, at_most, discount_fixed, discount_percent
from services.pricing.domain.charges.price import EventPrice, FeePrice, QuantityPrice
from services.pricing.domain.claims import could_claim_kind
from services.pricing.domain.commitment import commit
from services.pricing.domain.draft import Draft
from services.pricing.domain.included import (
    burn_amount_pools,
    burn_quantity_pools,
    take_free_units,
)
from services.pricing.domain.step import CONVERSION, METER, MINIMUM, note
from services.pricing.domain.words import unit_of
from shared.money import sum_exact


def convert_units(draft: Draft) -> None:
    """Set what was used, and what that is in the unit of the charge."""
    charge = draft.charge
    if isinstance(charge.price, FeePrice):
        draft.unit = charge.price.unit
        draft.quantity = draft.billable = charge.price.counted(draft.situation)
        return
    draft.unit = unit_of(charge.usage.kinds) if charge.usage else ""
    used = sum_exact([group.total for group in draft.groups])
    draft.quantity = draft.billable = draft.all_units = used
    conversion = charge.conditions.conversion
    if conversion is not None:
        rows = [(row.model, row.kind, row.quantity) for row in draft.rows]
        draft.converted = conversion.convert(rows)
        draft.billable = draft.all_units = sum_exact(draft.converted)
        draft.billed_unit = conversion.unit
        text = f"{draft.words.count(draft.quantity, draft.unit)} are "
        draft.add([note(CONVERSION, text + draft.words.count(draft.billable))])


def read_meter(draft: Draft) -> None:
    """Tell of single values, and take those of single events, where the price needs them."""
    _tell_values(draft)
    price, kind = draft.charge.price, draft.charge.event_kind
    if not isinstance(price, EventPrice):
        return
    if kind is not None and kind in draft.readings.events:
        draft.events = draft.readings.events[kind]
        total = sum_exact(draft.events)
        if draft.groups and total != draft.quantity:
            raise ValueError(f"the events of {kind} do not sum to its usage")
        draft.quantity = total
        number = draft.words.count(Fraction(len(draft.events)), "events")
        draft.add([note(METER, f"{number} of {kind}, in their order")])
    else:
        draft.events = (draft.quantity,) if draft.quantity else ()


def _tell_values(draft: Draft) -> None:
    """Say which meters' values the quantity holds, and which of them nobody knows yet."""
    meters = draft.readings.meters
    draft.meters = tuple(
        (kind, meters[kind]) for kind in sorted(meters) if could_claim_kind(draft.charge, kind)
    )
    for kind, reading in draft.meters:
        shown = draft.words.number(reading.value or Fraction(0))
        draft.add([note(METER, reading.words(kind, shown))])


def apply_price(draft: Draft) -> None:
    """Price what is left to price by the charge's model."""
    price, words = draft.charge.price, draft.words
    if isinstance(price, FeePrice):
        draft.add(price.price(draft.situation, words))
    elif isinstance(price, QuantityPrice):
        draft.add(price.price(draft.billable, words))
    elif isinstance(price, EventPrice):
        draft.add(price.price_events(draft.events, words))
    else:
        priced = price.price_rows(draft.groups, draft.situation, words)
        draft.group_amounts = priced.amounts
        draft.add(priced.steps)


def discount(draft: Draft) -> None:
    """Take off the percentage, then the fixed amount."""
    conditions = draft.charge.conditions
    if conditions.discount_percent:
        draft.add(discount_percent(draft.amount, conditions.discount_percent, draft.words))
    if conditions.discount_amount:
        fixed = conditions.discount_amount * draft.situation.period.share
        draft.add(discount_fixed(draft.amount, fixed, draft.words))


def cap(draft: Draft) -> None:
    """Lower the amount to the maximum."""
    maximum = draft.charge.conditions.maximum
    if maximum is not None:
        share = draft.situation.period.share
        draft.add(at_most(draft.amount, maximum * share, draft.words))


def raise_to_minimum(draft: Draft) -> None:
    """Raise the amount to the minimum."""
    minimum = draft.charge.conditions.minimum
    if minimum is not None:
        share = draft.situation.period.share
        draft.add(at_least(draft.amount, minimum * share, draft.words))


def apply_commitment(draft: Draft) -> None:
    """Charge what is missing to the commitment, or more for what is above it."""
    commitment, price = draft.charge.conditions.commitment, draft.charge.price
    if commitment is None:
        return
    committed = commitment.amount
    if committed is None and isinstance(price, QuantityPrice):
        committed = price.amount(commitment.quantity or Fraction(0), draft.words)
    share = draft.situation.period.share
    committed = (committed or Fraction(0)) * share
    raised = sum_exact(step.amount for step in draft.steps if step.step == MINIMUM)
    words, used = draft.words, draft.amount
    draft.add(commit(commitment, used, committed=committed, words=words, trued_up=raised))


PIPELINE: tuple[Callable[[Draft], None], ...] = (
    # Quantities come first: a price applies to units of the charge, not to rows of usage.
    convert_units,
    # Meters say what of the usage counts; what is included is included in that.
    read_meter,
    # What is free, or paid for already, has no price.
    take_free_units,
    burn_quantity_pools,
    # Tiers look at the whole period's quantity, therefore one price for the sum, not one a row.
    apply_price,
    # Pools of money hold usage at its list price: they burn before anything is taken off it.
    burn_amount_pools,
    # A discount is on what is really charged.
    discount,
    # Bounds are promises about what is paid: after discounts. The minimum comes last of the two,
    # since a charge whose maximum lies below its minimum cannot be written.
    cap,
    raise_to_minimum,
    # A commitment is used up by what all of the above made of the usage.
    apply_commitment,
)
