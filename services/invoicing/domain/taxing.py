"""Which tax an invoice carries, and what it comes to; the arithmetic is in `taxes.py`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal

from services.invoicing.domain.taxes import Taxable, taxes_of
from shared.money import Currency, round_to_minor_units

Treatment = Literal["none", "rates", "exempt", "reverse_charge", "automatic"]
"""Whose tax it is: nobody's, our own rates, none for a reason that stands on the invoice, Stripe's.

`automatic` excludes the others: Stripe works the tax out, and it is stored, not compared.
"""

OWN: frozenset[Treatment] = frozenset({"rates", "exempt", "reverse_charge"})
"""The tax is ours to the minor unit; with Stripe's it would not be."""

RATES_MAX = 5
PERCENT_PLACES = 4
"""Stripe shows a percentage with so many decimals; it takes 20 taxes on a line."""

NOT_TAXED: dict[Treatment, str] = {"exempt": "Tax exempt", "reverse_charge": "Reverse charge"}
"""What stands in place of a rate's label where there is no tax."""

ZERO = Fraction(0)


@dataclass(frozen=True)
class Rate:
    """A version of a named rate: `percent` (0 to 100) on top of net amounts, from a UTC day on.

    `country` is ISO 3166-1 alpha-2, or empty.
    """

    rate_id: str
    label: str
    jurisdiction: str
    country: str
    percent: Fraction
    valid_from: date


@dataclass(frozen=True)
class TaxPlan:
    """How an invoice is taxed: `rates` for `rates` only, `text` as it stands on the invoice."""

    treatment: Treatment = "none"
    rates: tuple[Rate, ...] = ()
    text: str | None = None


NO_TAX = TaxPlan()


@dataclass(frozen=True)
class Tax:
    """One rate's tax on an invoice: exact amounts in major units, minor units of the currency.

    All taxes of an invoice are on the same `taxable`; their exact sum is rounded once.
    """

    rate_id: str | None
    label: str
    jurisdiction: str
    country: str
    percent: Fraction
    taxable: Fraction
    taxable_minor: int
    tax_minor: int
    valid_from: date | None = None

    @property
    def exact(self) -> Fraction:
        return Taxable(self.taxable, self.percent).tax


def tax_day(kind: str, period_start: date, period_end: date) -> date:
    """Return the day whose rates an invoice has; `period_end` is exclusive.

    A service is taxed as it ends, a fee in advance as the period begins that it opens.
    """
    return period_start if kind == "opening" else period_end - timedelta(days=1)


def in_force(versions: Iterable[Rate], rate_ids: Sequence[str], day: date) -> tuple[Rate, ...]:
    """Return the version of each rate that holds on a day; one not valid yet is left out."""
    latest: dict[str, Rate] = {}
    for one in sorted(versions, key=lambda rate: rate.valid_from):
        if one.valid_from <= day:
            latest[one.rate_id] = one
    return tuple(latest[rate_id] for rate_id in rate_ids if rate_id in latest)


def taxes_on(plan: TaxPlan, taxable: Fraction, currency: Currency) -> tuple[Tax, ...]:
    """Return the taxes on an exact net amount (major units), in the order of the plan's rates.

    Where Stripe counts in a coarser unit than ours (MGA), the tax is rounded to that.
    """
    rates = plan.rates or _not_taxed(plan)
    if not rates or not taxable:
        return ()
    coarse = replace(currency, exponent=min(currency.exponent, currency.stripe_exponent))
    units = taxes_of([Taxable(taxable, rate.percent) for rate in rates], coarse, "invoice")
    scale = 10 ** (currency.exponent - coarse.exponent)
    return tuple(
        Tax(
            rate_id=rate.rate_id or None,
            label=rate.label,
            jurisdiction=rate.jurisdiction,
            country=rate.country,
            percent=rate.percent,
            taxable=taxable,
            taxable_minor=round_to_minor_units(taxable, coarse) * scale,
            tax_minor=minor * scale,
            valid_from=rate.valid_from if rate.rate_id else None,
        )
        for rate, minor in zip(rates, units, strict=True)
    )


def _not_taxed(plan: TaxPlan) -> tuple[Rate, ...]:
    """Return a rate of zero that says why, so that such an invoice is made as any other."""
    label = NOT_TAXED.get(plan.treatment)
    return () if label is None else (Rate("", label, "", "", ZERO, date.min),)
