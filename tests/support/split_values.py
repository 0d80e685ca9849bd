"""Short ways to write a November that is rated in two halves."""

from datetime import date

from services.pricing.domain.periods import Period, UnpaidPeriod
from services.pricing.domain.plan import Plan
from services.pricing.domain.seats import Seats
from services.pricing.domain.split.parts import Charged, Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.statement import RatedStatement
from services.pricing.domain.usage import Usage
from shared.currencies import CURRENCIES
from tests.support.pricing_values import usage

SPLIT = date(2023, 11, 16)
DOLLAR = CURRENCIES["USD"]


def part(sold: Plan, *, second: bool, charged: Charged = "all", book: str = "book") -> Part:
    """Return the first or the second half of November."""
    days = (SPLIT, date(2023, 12, 1)) if second else (date(2023, 11, 1), SPLIT)
    period = (Period if charged == "all" else UnpaidPeriod)(*days, 30)
    return Part(period, sold, book, "hash", Seats.of(2), charged)


def used(first: int, second: int) -> list[Usage]:
    """Return usage on a day of each half."""
    days = (date(2023, 11, 3), date(2023, 11, 20))
    both = zip(days, (first, second), strict=True)
    return [usage("units", quantity, usage_day=day) for day, quantity in both]


def rate(old: Plan, new: Plan, rows: list[Usage], *, book: str = "book") -> RatedStatement:
    """Rate the halves by a plan each; the second may be of another book."""
    parts = (part(old, second=False), part(new, second=True, book=book))
    return rate_parts(SplitTerms(parts, DOLLAR), rows)
