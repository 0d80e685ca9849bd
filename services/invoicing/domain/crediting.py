"""What a credit note may take back of an invoice, and whether Stripe would make it the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from services.invoicing.domain.credit_notes import Credited, credit_of
from services.invoicing.domain.taxes import HUNDRED, Taxable
from shared.money import Currency

Scope = Literal["full", "amount", "lines"]
"""All that is left, an amount with its tax, or amounts of single lines before tax."""


@dataclass
class NotCreditable(Exception):  # noqa: N818 - a verdict
    """A credit note that cannot be made; `code` is stable, `path` the place in the request."""

    code: str
    path: str
    message: str


@dataclass(frozen=True)
class Billed:
    """An issued invoice in minor units; `lines` maps line keys to amounts before tax.

    `percent` is what all taxes of our own come to together; None: the tax is Stripe's.
    """

    net_minor: int
    tax_minor: int
    lines: Mapping[str, int]
    percent: Fraction | None = None

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor


@dataclass(frozen=True)
class Earlier:
    """What earlier credit notes took: in total with tax, and of single lines before tax."""

    total_minor: int = 0
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What is to be credited: `amount_minor` with tax for `amount`, `lines` before tax."""

    scope: Scope
    amount_minor: int | None = None
    lines: Sequence[tuple[str, int]] = ()


def expected_credit(
    billed: Billed, earlier: Earlier, wanted: Wanted, currency: Currency
) -> Credited:
    """Return what the credit note comes to; raises `NotCreditable`.

    The tax of lines is that of our own rates on the exact net, else the invoice's in proportion.
    """
    left = billed.total_minor - earlier.total_minor
    if wanted.scope == "lines":
        _check_lines(billed, earlier, wanted.lines)
        scale = 10**currency.exponent
        rate = _percent(billed)
        parts = [Taxable(Fraction(minor, scale), rate) for _, minor in wanted.lines]
        credited = credit_of(parts, currency)
    else:
        total = left if wanted.amount_minor is None else wanted.amount_minor
        credited = _of_total(billed, total, currency)
    if credited.total_minor > left or credited.total_minor <= 0:
        message = f"{max(left, 0)} minor units of the invoice can still be credited."
        path = "lines" if wanted.scope == "lines" else wanted.scope
        raise NotCreditable("credit_exceeds_invoice", path, message)
    return credited


def _percent(billed: Billed) -> Fraction:
    if billed.percent is not None:
        return billed.percent
    if billed.net_minor <= 0:
        return Fraction(0)
    return Fraction(billed.tax_minor * HUNDRED, billed.net_minor)


def _of_total(billed: Billed, total_minor: int, currency: Currency) -> Credited:
    """Take the tax out of a total; what rounding leaves belongs to the tax."""
    if billed.total_minor <= 0:
        return Credited(0, 0)
    net = Fraction(total_minor * billed.net_minor, billed.total_minor * 10**currency.exponent)
    net_minor = credit_of([Taxable(net, Fraction(0))], currency).net_minor
    return Credited(net_minor, total_minor - net_minor)


def _check_lines(billed: Billed, earlier: Earlier, lines: Sequence[tuple[str, int]]) -> None:
    seen: set[str] = set()
    for index, (line_key, minor) in enumerate(lines):
        path = f"lines[{index}]"
        if line_key in seen:
            message = f"The line {line_key!r} is named twice."
            raise NotCreditable("duplicate_line", f"{path}.line_key", message)
        seen.add(line_key)
        if line_key not in billed.lines:
            message = f"The invoice has no line {line_key!r}."
            raise NotCreditable("unknown_line", f"{path}.line_key", message)
        left = billed.lines[line_key] - earlier.lines.get(line_key, 0)
        if minor > left:
            message = f"{max(left, 0)} minor units of the line can still be credited."
            raise NotCreditable("credit_exceeds_line", f"{path}.amount", message)


def preview_differences(
    expected: Credited, observed: Credited, scope: Scope, *, line_count: int
) -> list[str]:
    """Return how Stripe's preview differs from ours; empty: the note may be made.

    What was asked for is compared to the last unit. How it parts into net and tax may differ by a
    unit for each of `line_count`, as Stripe rounds the tax of lines and we that of the note; 0:
    every tax was named. Without tax there is nothing to round.
    """
    taxed = expected.tax_minor != 0 or observed.tax_minor != 0
    slack = line_count if taxed else 0
    off = abs(expected.tax_minor - observed.tax_minor) > slack
    if scope == "lines":
        checks = [("net_differs", expected.net_minor != observed.net_minor), ("tax_differs", off)]
    else:
        differs = expected.total_minor != observed.total_minor
        checks = [("total_differs", differs), ("tax_differs", off)]
    return [code for code, found in checks if found]
