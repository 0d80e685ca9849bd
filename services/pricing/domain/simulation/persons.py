"""What each person brings in: a tenant's revenue over those who used what it is for.

A line of usage goes to people by how much of that model's kind each used. What has no usage behind
it (fees, seats, what is missing to a minimum) goes to everybody alike: to those who used anything,
and to the seats that nobody used. What lowers a whole bill (its maximum) lowers what each person
brings in, by the same part. Usage of nobody in particular is attributed to nobody.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import lcm

from services.pricing.domain.column import Column
from services.pricing.domain.statement import Line
from shared.money import Currency, allocate_over, round_to_minor_units, sum_exact

Sold = tuple[str, str]
"""(model, kind)."""

Ratios = dict[int, int]
"""Denominator → the sum of the numerators over it: amounts that are added up as integers."""


def add_ratio(ratios: Ratios, numerator: int, denominator: int) -> None:
    """Add an amount."""
    ratios[denominator] = ratios.get(denominator, 0) + numerator


def _total(*several: Ratios) -> Fraction:
    return sum_exact(
        Fraction(numerator, denominator)
        for ratios in several
        for denominator, numerator in ratios.items()
    )


def _lowers(line: Line) -> bool:
    """Tell whether a line takes off what others charge; such a line has no usage of its own."""
    return line.amount < 0 and not line.details.groups


@dataclass
class Revenue:
    """Revenue of a tenant by what it is for; `fixed` has no usage behind it."""

    by_sold: dict[Sold, Ratios] = field(default_factory=lambda: defaultdict(dict))
    fixed: Ratios = field(default_factory=dict)

    def add(self, lines: Sequence[Line]) -> None:
        """Add the lines of a statement; details sum to their line, so nothing is left.

        A line that lowers all others, as the maximum of a plan does, takes a part of each.
        """
        lowered = sum_exact(line.amount for line in lines if _lowers(line))
        kept, per = 1, 1
        if lowered:
            above = sum_exact(line.amount for line in lines) - lowered
            kept, per = ((above + lowered) / above).as_integer_ratio()
        for line in lines:
            if _lowers(line):
                continue
            if not line.details.groups:
                numerator, denominator = line.amount.as_integer_ratio()
                add_ratio(self.fixed, numerator * kept, denominator * per)
            for group in line.details.groups:
                numerators, denominator = group.amounts
                sums = self.by_sold[group.model, group.kind]
                add_ratio(sums, sum(numerators) * kept, denominator * per)

    def of(self, sold: Sold) -> Fraction:
        """Return what usage of a model and kind brings in."""
        return _total(self.by_sold.get(sold, {}))

    @property
    def total(self) -> Fraction:
        return _total(self.fixed, *self.by_sold.values())


@dataclass(frozen=True)
class People:
    """Who used what of a tenant in all of the time: (user, model, kind) → quantity.

    An empty user is nobody in particular. `seats` are the most that were paid for at a time.
    """

    used: Mapping[tuple[str, str, str], Fraction]
    seats: int = 0

    @cached_property
    def users(self) -> list[str]:
        """Those who have a name, in its order."""
        return sorted({user for user, _, _ in self.used if user})

    @property
    def count(self) -> int:
        """The people: users, and seats that nobody used."""
        return max(len(self.users), self.seats)

    @cached_property
    def by_sold(self) -> dict[Sold, "_Shares"]:
        """Who used how much of each model and kind; each plan is shared out by the same."""
        places = {user: place for place, user in enumerate(self.users)}
        found: dict[Sold, _Shares] = defaultdict(_Shares)
        quantities = Column.of(self.used.values()).numerators
        for (user, model, kind), quantity in zip(self.used, quantities, strict=True):
            shares = found[model, kind]
            shares.total += quantity
            if user:
                shares.of_users.append((places[user], quantity))
        return found


@dataclass
class _Shares:
    """Quantities in one unit: of all, and of each user by its place."""

    total: int = 0
    of_users: list[tuple[int, int]] = field(default_factory=list)


def revenue_by_person(revenue: Revenue, people: People) -> tuple[Column, Fraction]:
    """Return what each of the people brings in, and what is attributed to nobody.

    Both sum to the revenue. First the users in the order of their names, then the seats left.
    """
    if not people.count:
        return Column((), 1), revenue.total
    each = _total(revenue.fixed) / people.count
    prices = {
        sold: amount / shares.total
        for sold, shares in people.by_sold.items()
        if shares.total and (amount := revenue.of(sold))
    }
    common = lcm(each.denominator, *(price.denominator for price in prices.values()))
    amounts = [each.numerator * (common // each.denominator)] * people.count
    for sold, price in prices.items():
        scaled = price.numerator * (common // price.denominator)
        for place, quantity in people.by_sold[sold].of_users:
            amounts[place] += scaled * quantity
    column = Column(amounts, common)
    return column, revenue.total - column.total


def minor_units_by_person(
    revenue: Revenue, people: People, currency: Currency
) -> tuple[list[int], int]:
    """Return the same in minor units that sum to the rounded revenue: as details of an invoice do.

    What is attributed to nobody comes second.
    """
    (amounts, denominator), nobody = revenue_by_person(revenue, people)
    common = lcm(denominator, nobody.denominator)
    factor = common // denominator * 10**currency.exponent
    rest = nobody.numerator * (common // nobody.denominator) * 10**currency.exponent
    total = round_to_minor_units(revenue.total, currency)
    units = allocate_over(total, [*(amount * factor for amount in amounts), rest], common)
    return units[:-1], units[-1]
