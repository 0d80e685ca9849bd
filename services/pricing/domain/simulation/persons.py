"""What each person brings in: a tenant's revenue over those who used what it is for.

A line of usage goes to people by how much of that model's kind each used. What has no usage behind
it (fees, seats, what is missing to a minimum) goes to everybody alike: to those who used anything,
and to the seats that nobody used. Usage of nobody in particular is attributed to nobody.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

from services.pricing.domain.statement import Line
from shared.money import Currency, allocate_minor_units, round_to_minor_units, sum_exact

ZERO = Fraction(0)
Sold = tuple[str, str]
"""(model, kind)."""


@dataclass
class Revenue:
    """Revenue of a tenant by what it is for; `fixed` has no usage behind it."""

    by_sold: dict[Sold, list[Fraction]] = field(default_factory=lambda: defaultdict(list))
    fixed: list[Fraction] = field(default_factory=list)

    def add(self, lines: Iterable[Line]) -> None:
        """Add lines of a statement; details sum to their line, so nothing is left."""
        for line in lines:
            if not line.details.groups:
                self.fixed.append(line.amount)
            for group in line.details.groups:
                self.by_sold[group.model, group.kind].append(group.amounts.total)

    def of(self, sold: Sold) -> Fraction:
        """Return what usage of a model and kind brings in."""
        return sum_exact(self.by_sold.get(sold, ()))

    @property
    def total(self) -> Fraction:
        amounts = [amount for some in self.by_sold.values() for amount in some]
        return sum_exact([*self.fixed, *amounts])


@dataclass(frozen=True)
class People:
    """Who used what of a tenant in all of the time: (user, model, kind) → quantity.

    An empty user is nobody in particular. `seats` are the most that were paid for at a time.
    """

    used: Mapping[tuple[str, str, str], Fraction]
    seats: int = 0

    @property
    def users(self) -> list[str]:
        """Those who have a name, in its order."""
        return sorted({user for user, _, _ in self.used if user})

    @property
    def count(self) -> int:
        """The people: users, and seats that nobody used."""
        return max(len(self.users), self.seats)


def revenue_by_person(revenue: Revenue, people: People) -> tuple[list[Fraction], Fraction]:
    """Return what each of the people brings in, and what is attributed to nobody.

    Both sum to the revenue. First the users in the order of their names, then the seats left.
    """
    users = people.users
    if not people.count:
        return [], revenue.total
    shared = sum_exact(revenue.fixed) / people.count
    variable = _by_user(revenue, people)
    amounts = [shared + variable.get(user, ZERO) for user in users]
    amounts += [shared] * (people.count - len(users))
    return amounts, revenue.total - sum_exact(amounts)


def minor_units_by_person(
    revenue: Revenue, people: People, currency: Currency
) -> tuple[list[int], int]:
    """Return the same in minor units that sum to the rounded revenue: as details of an invoice do.

    What is attributed to nobody comes second.
    """
    amounts, nobody = revenue_by_person(revenue, people)
    scale = 10**currency.exponent
    total = round_to_minor_units(revenue.total, currency)
    units = allocate_minor_units(total, [part * scale for part in (*amounts, nobody)])
    return units[:-1], units[-1]


def _by_user(revenue: Revenue, people: People) -> dict[str, Fraction]:
    """Return what usage of each user brings in, over one denominator: people are many."""
    totals: dict[Sold, Fraction] = defaultdict(Fraction)
    for (_, model, kind), quantity in people.used.items():
        totals[model, kind] += quantity
    rates = {
        sold: amount / total
        for sold, total in totals.items()
        if total and (amount := revenue.of(sold))
    }
    common = lcm(*(rate.denominator for rate in rates.values()))
    scaled = {sold: int(rate * common) for sold, rate in rates.items()}
    found: dict[str, Fraction | int] = defaultdict(int)
    for (user, model, kind), quantity in people.used.items():
        if user and (price := scaled.get((model, kind))):
            whole = quantity.denominator == 1
            found[user] += price * (quantity.numerator if whole else quantity)
    return {user: Fraction(amount) / common for user, amount in found.items()}
