"""How a period that turned out cheaper is credited: exact amounts in, cents and a remainder out.

credited + carried = what is to be credited, exactly: nothing is lost to rounding, or given twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.invoicing.domain.allocation import payable_multiple
from services.invoicing.domain.coupons import Coupon, discounts
from services.invoicing.domain.crediting import Billed, Earlier
from shared.money import Currency

ZERO = Fraction(0)

Charged = Mapping[str, tuple[str, Fraction]]
"""Line key -> (charge, exact amount)."""


@dataclass(frozen=True)
class CreditPlan:
    """`lines` are (line key, minor units before tax); `carried` (>= 0) opens the next invoice."""

    lines: tuple[tuple[str, int], ...]
    carried: Fraction

    @property
    def credited_minor(self) -> int:
        return sum(minor for _, minor in self.lines)


def coupon_share(before: Charged, changes: Charged, coupons: Sequence[Coupon]) -> Fraction:
    """Return by how much less the invoice's coupons would have taken off after the changes."""
    after = dict(before)
    for key, (charge, amount) in changes.items():
        after[key] = (charge, after.get(key, (charge, ZERO))[1] + amount)
    return _taken(before, coupons) - _taken(after, coupons)


def _taken(lines: Charged, coupons: Sequence[Coupon]) -> Fraction:
    parts = discounts([lines[key] for key in sorted(lines)], coupons)
    return sum((part for of_coupon in parts for part in of_coupon), ZERO)


def plan_credit(
    amount: Fraction,
    billed: Billed,
    earlier: Earlier,
    cheaper: Sequence[str],
    currency: Currency,
) -> CreditPlan:
    """Credit an exact amount (>= 0) on an issued invoice as far as that can be.

    It goes on the `cheaper` lines first, then on the others in their order; whole units that can
    be paid, never more than is left of a line or, with its tax, of the invoice.
    """
    scale, multiple = 10**currency.exponent, payable_multiple(currency)
    open_minor = min(amount * scale // 1, _net_left(billed, earlier))
    open_minor -= open_minor % multiple
    lines = []
    order = [*cheaper, *(key for key in billed.lines if key not in set(cheaper))]
    lefts = [(key, billed.lines.get(key, 0) - earlier.lines.get(key, 0)) for key in order]
    possible = sum(max(left, 0) for _, left in lefts)
    open_minor = min(open_minor, possible - possible % multiple)
    for key, left in lefts:
        part = min(max(left, 0), open_minor)
        if part > 0:
            lines.append((key, part))
            open_minor -= part
    credited = Fraction(sum(part for _, part in lines), scale)
    return CreditPlan(tuple(lines), amount - credited)


def _net_left(billed: Billed, earlier: Earlier) -> int:
    """Return what can be credited before tax, so that with its tax it is not more than is left."""
    left = billed.total_minor - earlier.total_minor
    if billed.total_minor <= 0 or left <= 0:
        return 0
    return left * billed.net_minor // billed.total_minor
