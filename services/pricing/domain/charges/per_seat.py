"""Per seat: an amount for each seat and period; added seats pay by days, at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.price import FeePrice, Situation, Timing
from services.pricing.domain.periods import Period, by_days
from services.pricing.domain.seats import ANY_CLASS, SeatChange, days_left
from services.pricing.domain.step import PRICE, Step, note
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class PerSeat(FeePrice):
    """An amount for each seat of a class and period."""

    model: ClassVar[str] = "per_seat"
    unit: ClassVar[str] = "seats"

    unit_amount: Fraction
    seat_class: str = ANY_CLASS
    timing: Timing = "in_arrears"

    def counted(self, situation: Situation) -> Fraction:
        """Return the seats that are paid for at all."""
        return Fraction(situation.seats.count(self.seat_class))

    def price(self, situation: Situation, words: Words) -> list[Step]:
        """Return a step for the seats at the start, one for each addition and removal."""
        seats, period = situation.seats, situation.period
        initial = seats.initial.get(self.seat_class, 0)
        price = words.price(self.unit_amount, Fraction(1))
        description = f"{words.count(Fraction(initial))} at {price}{by_days(period)}"
        steps = [Step(PRICE, description, initial * self.unit_amount * period.share)]
        steps.extend(self._added(change, period, words) for change in seats.added(self.seat_class))
        steps.extend(_removals(seats.removed(self.seat_class), words))
        return steps

    def _added(self, change: SeatChange, period: Period, words: Words) -> Step:
        days = days_left(change.day, period)
        count = words.count(Fraction(change.delta))
        price = words.price(self.unit_amount, Fraction(1))
        description = (
            f"{count} added on {change.day} at {price}, {days} of {period.whole_days} days"
        )
        share = Fraction(days, period.whole_days)
        return Step(PRICE, description, change.delta * self.unit_amount * share)


def _removals(changes: Iterator[SeatChange], words: Words) -> Iterator[Step]:
    for change in changes:
        count = words.count(Fraction(-change.delta))
        yield note(PRICE, f"{count} removed on {change.day}, paid to the end of the period")
