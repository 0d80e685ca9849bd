"""Percentage: a rate on the value of each event, with a fixed fee, allowances and bounds.

Events are free, in their order, while every given allowance lasts; the first to run out ends both.
An event that is partly free pays on the rest, and the full fixed fee; one that is wholly free pays
nothing, no minimum either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.price import ZERO, EventPrice
from services.pricing.domain.step import PRICE, Step, note
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class Percentage(EventPrice):
    """`rate_percent` of a value, + `fixed_amount` an event, then the bounds of an event.

    `free_events` and `free_amount` are allowances of a period; None: no such allowance.
    """

    model: ClassVar[str] = "percentage"

    rate_percent: Fraction
    fixed_amount: Fraction = ZERO
    free_events: int | None = None
    free_amount: Fraction | None = None
    min_per_event: Fraction | None = None
    max_per_event: Fraction | None = None

    def __post_init__(self) -> None:
        low, high = self.min_per_event, self.max_per_event
        if low is not None and high is not None and low > high:
            raise ValueError("the minimum of an event is at most its maximum")

    @property
    def needs_events(self) -> bool:
        """Tell whether more than the rate and a free amount is asked for."""
        single = (self.free_events, self.min_per_event, self.max_per_event)
        return bool(self.fixed_amount) or any(value is not None for value in single)

    def price_events(self, values: Sequence[Fraction], words: Words) -> list[Step]:
        """Return steps for the rate, the fixed fees, and what the bounds of an event changed."""
        charged = list(self._charged(values))
        value = sum(charged, ZERO)
        rated = self.rate_percent / 100 * value
        fixed = len(charged) * self.fixed_amount
        bounded = [self._bound(self.fixed_amount + self.rate_percent / 100 * v) for v in charged]
        raised = sum((change for change in bounded if change > 0), ZERO)
        capped = sum((change for change in bounded if change < 0), ZERO)
        rate = words.number(self.rate_percent)
        events = _events(len(charged), words)
        steps = [Step(PRICE, f"{rate} % of {words.money(value)} in {events}", rated)]
        if len(charged) < len(values):
            steps.insert(0, note(PRICE, f"{_events(len(values) - len(charged), words)} free"))
        parts = (
            (f"{events} at a fixed {words.money(self.fixed_amount)}", fixed),
            ("raised to the minimum of an event", raised),
            ("capped at the maximum of an event", capped),
        )
        steps.extend(Step(PRICE, text, amount) for text, amount in parts if amount)
        return steps

    def _charged(self, values: Sequence[Fraction]) -> Iterator[Fraction]:
        """Return the value to pay on of each event that is not wholly free."""
        events, amount = self.free_events, self.free_amount
        free = events is not None or amount is not None
        for index, value in enumerate(values):
            free = free and (events is None or index < events) and (amount is None or amount > 0)
            if not free:
                yield value
            elif amount is not None:
                rest = value - amount
                amount -= value
                if rest > 0:
                    yield rest

    def _bound(self, amount: Fraction) -> Fraction:
        """Return what the bounds add to (or take from) what one event costs."""
        bounded = amount
        if self.min_per_event is not None:
            bounded = max(bounded, self.min_per_event)
        if self.max_per_event is not None:
            bounded = min(bounded, self.max_per_event)
        return bounded - amount


def _events(count: int, words: Words) -> str:
    return words.count(Fraction(count), "event" if count == 1 else "events")
