"""Taxes and credit notes: on exact amounts, parts that sum, Stripe's arithmetic."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.invoicing.domain.credit_notes import credit_of, settle
from services.invoicing.domain.taxes import Taxable, TaxRounding, taxes_of
from shared.currencies import CURRENCIES
from shared.money import round_to_minor_units

PARTS = st.lists(
    st.builds(
        Taxable,
        st.fractions(0, 10**6, max_denominator=10**6),
        st.fractions(0, 100, max_denominator=1000),
    ),
    max_size=12,
)
CODES = st.sampled_from(["USD", "JPY", "KWD"])


@given(PARTS, CODES)
def test_rounded_once_is_the_rounded_sum(parts: list[Taxable], code: str) -> None:
    """The parts sum to the tax of the invoice, and each lies within a unit of its own."""
    currency = CURRENCIES[code]

    taxes = taxes_of(parts, currency, "invoice")

    assert round_to_minor_units(sum((p.tax for p in parts), Fraction(0)), currency) == sum(taxes)
    scale = 10**currency.exponent
    assert all(abs(tax - p.tax * scale) < 1 for tax, p in zip(taxes, parts, strict=True))


def test_rounded_by_rate_may_differ() -> None:
    """Three times 0.005 is 0.02 together, and 0.03 where each is rounded."""
    parts = [Taxable(Fraction(1, 10), Fraction(5))] * 3
    ways: tuple[TaxRounding, ...] = ("invoice", "rate")

    assert [2, 3] == [sum(taxes_of(parts, CURRENCIES["USD"], way)) for way in ways]


@given(st.integers(1, 10**12), st.integers(0, 10**12))
def test_what_is_owed_is_lowered_first(total: int, remaining: int) -> None:
    """Paid back is only what lies beyond what was left to pay."""
    settled = settle(total, remaining_minor=remaining)

    assert total == settled.pre_payment_minor + settled.post_payment_minor
    assert settled.pre_payment_minor == min(total, remaining)
    assert settled.post_payment_minor == 0 or settled.pre_payment_minor == remaining


def test_a_credit_of_a_whole_invoice_takes_back_its_very_tax() -> None:
    """Net and tax are those that the invoice had, to the minor unit."""
    currency = CURRENCIES["USD"]
    parts = [Taxable(Fraction(1, 3), Fraction(19)), Taxable(Fraction(2, 3), Fraction(7))]

    credit = credit_of(parts, currency)

    assert (100, sum(taxes_of(parts, currency, "invoice"))) == (credit.net_minor, credit.tax_minor)
    assert credit.total_minor == credit.net_minor + credit.tax_minor
