"""What one event is worth: ceil to a step, rate, fee, bounds, in this order, in exact decimals."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow

from services.metering.domain.meters.definition import PLACES_MAX, PerEvent

_EXACT = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow])
_ROUNDING = Context(prec=80, rounding=ROUND_HALF_UP, traps=[InvalidOperation, Overflow])
_SMALLEST = Decimal(1).scaleb(-PLACES_MAX)


def weighted_sum(parts: Iterable[tuple[Decimal, Decimal]]) -> Decimal:
    """Return the exact sum of weights times quantities."""
    total = Decimal(0)
    for weight, quantity in parts:
        total = _EXACT.add(total, _EXACT.multiply(weight, quantity))
    return total


def event_value(quantity: Decimal, rules: PerEvent) -> Decimal:
    """Return an event's value for its quantity (0 or more).

    A value has 9 decimal places: what a rate makes longer is rounded half away from zero, once for
    the event, so that values add up to the same in any order.
    """
    value = quantity
    if rules.ceil_to is not None:
        step = Decimal(rules.ceil_to)
        steps = _EXACT.divide_int(value, step)
        if _EXACT.remainder(value, step):
            steps = _EXACT.add(steps, Decimal(1))
        value = steps if rules.count_steps else _EXACT.multiply(steps, step)
    if rules.rate is not None:
        value = _EXACT.multiply(value, Decimal(rules.rate))
    if rules.fee is not None:
        value = _EXACT.add(value, Decimal(rules.fee))
    if rules.minimum is not None:
        value = max(value, Decimal(rules.minimum))
    if rules.maximum is not None:
        value = min(value, Decimal(rules.maximum))
    return _ROUNDING.quantize(value, _SMALLEST)
