"""What discounts and taxes make of lines: whole minor units, nothing lost between lines and totals.

Sources: discounts apply one after the other to what the earlier ones left, over discountable lines
only; tax is rounded half up for each line (Stripe's support page on rounding shows 0.43 x 15 % =
0.06 and 4.84 x 15 % = 0.73). How a discount is spread over lines is nowhere said; it is done by
largest remainder here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Line = dict[str, Any]


@dataclass(frozen=True)
class Discount:
    """`percent` of, or `amount_off` in minor units; `products` limits it to lines of these."""

    id: str
    percent: Fraction | None = None
    amount_off: int = 0
    products: frozenset[str] = frozenset()

    def takes(self, left: int) -> int:
        """What it takes from an amount that is left, never more than that."""
        wanted = self.amount_off if self.percent is None else rounded(left * self.percent / 100)
        return min(wanted, left)


@dataclass(frozen=True)
class Rate:
    """A tax rate in percent, on top of the amount or inside it."""

    id: str
    percent: Fraction
    inclusive: bool = False
    reason: str = "not_available"


@dataclass
class Totals:
    """Sums over the lines, in minor units."""

    subtotal: int = 0
    subtotal_excluding_tax: int = 0
    discounts: dict[str, int] = field(default_factory=dict)
    taxes: list[Line] = field(default_factory=list)

    @property
    def discount(self) -> int:
        return sum(self.discounts.values())

    def tax(self, *behaviors: str) -> int:
        return sum(tax["amount"] for tax in self.taxes if tax["tax_behavior"] in behaviors)

    @property
    def total(self) -> int:
        return self.subtotal - self.discount + self.tax("exclusive")

    @property
    def total_excluding_tax(self) -> int:
        return self.total - self.tax("exclusive", "inclusive")


def rounded(exact: Fraction) -> int:
    """Round half away from zero."""
    doubled = 2 * abs(exact.numerator) + exact.denominator
    size = doubled // (2 * exact.denominator)
    return size if exact >= 0 else -size


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` by weights of 0 or more, by largest remainder, ties to the first."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda at: (-(total * weights[at] % whole), at))
    for at in order[: total - sum(shares)]:
        shares[at] += 1
    return shares


def settle(
    lines: list[Line],
    *,
    discounts: Sequence[Discount] = (),
    own_discounts: Callable[[Line], Sequence[Discount]] = lambda _line: (),
    rates: Callable[[Line], Sequence[Rate]] = lambda _line: (),
    given: Callable[[Line], Sequence[Line]] = lambda _line: (),
) -> Totals:
    """Write `discount_amounts` and `taxes` into each line and return the sums.

    `given` are taxes that the caller worked out, in place of any by rates. A line's own discounts
    come first; `subtotal` has them taken off already.
    """
    totals = Totals()
    left = []
    for line in lines:
        line["discount_amounts"] = []
        rest: int = line["amount"]
        for discount in own_discounts(line):
            rest -= _take(line, discount, discount.takes(max(rest, 0)))
        totals.subtotal += rest
        left.append(rest)
    for discount in discounts:
        weights = [
            max(rest, 0) if _eligible(line, discount) else 0
            for line, rest in zip(lines, left, strict=True)
        ]
        shares = spread(discount.takes(sum(weights)), weights)
        totals.discounts[discount.id] = sum(shares)
        for at, share in enumerate(shares):
            left[at] -= _take(lines[at], discount, share)
    totals.subtotal_excluding_tax = totals.subtotal
    for line, rest in zip(lines, left, strict=True):
        own = given(line)
        if own:
            line["taxes"] = [dict(tax) for tax in own]
        else:
            totals.subtotal_excluding_tax -= _tax_line(line, rest, rates(line))
    totals.taxes = summed_taxes(tax for line in lines for tax in line["taxes"])
    return totals


def _tax_line(line: Line, net: int, rates: Sequence[Rate]) -> int:
    """Write the taxes of a discounted line, and return what was inside it before discounts."""
    line["taxes"] = [_tax(net, rate, rates) for rate in rates]
    gross = net + sum(one["amount"] for one in line["discount_amounts"])
    return sum(_tax(gross, rate, rates)["amount"] for rate in rates if rate.inclusive)


def _eligible(line: Line, discount: Discount) -> bool:
    if not line["discountable"]:
        return False
    return not discount.products or line.get("_product") in discount.products


def _take(line: Line, discount: Discount, amount: int) -> int:
    if amount:
        line["discount_amounts"].append({"amount": amount, "discount": discount.id})
    return amount


def _tax(net: int, rate: Rate, rates: Sequence[Rate]) -> Line:
    """Return the tax of one rate on a discounted amount, inclusive rates taken out of it first."""
    inside = sum((one.percent for one in rates if one.inclusive), Fraction(0))
    base = Fraction(net) / (1 + inside / 100)
    return {
        "amount": rounded(base * rate.percent / 100),
        "tax_behavior": "inclusive" if rate.inclusive else "exclusive",
        "tax_rate_details": {"tax_rate": rate.id},
        "taxability_reason": rate.reason,
        "taxable_amount": rounded(base),
        "type": "tax_rate_details",
    }


def summed_taxes(taxes: Any) -> list[Line]:
    """Add taxes up by rate, in the order in which rates first come."""
    sums: dict[tuple[str, str], Line] = {}
    for tax in taxes:
        key = (tax["tax_rate_details"]["tax_rate"], tax["tax_behavior"])
        if key not in sums:
            sums[key] = dict(tax)
            continue
        sums[key]["amount"] += tax["amount"]
        sums[key]["taxable_amount"] += tax["taxable_amount"]
    return list(sums.values())
