"""Flat: a fixed amount for each period; of a shorter one its share by exact days."""

from fractions import Fraction

from services.pricing.domain.charges import FlatCharge
from services.pricing.domain.periods import Period
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.words import Words


def price_flat(charge: FlatCharge, period: Period, words: Words) -> list[Step]:
    """Return the fee: amount x days / days of the whole period."""
    description = f"{words.money(charge.amount)} for the period"
    return [Step(PRICE, description + by_days(period), charge.amount * share_of(period))]


def share_of(period: Period) -> Fraction:
    """Return which part of its whole period a period is, by days; 1 unless it was cut short."""
    return Fraction(period.days, period.whole_days)


def by_days(period: Period) -> str:
    """Return the words for a period that was cut short, nothing for a whole one."""
    whole = period.days == period.whole_days
    return "" if whole else f", {period.days} of {period.whole_days} days"
