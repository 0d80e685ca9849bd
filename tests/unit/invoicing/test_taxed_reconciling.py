"""Reconciling sees a tax that is another at Stripe, or in our own rows."""

from dataclasses import replace
from typing import Any

import pytest

from services.invoicing.models import Invoice
from services.invoicing.reconciling.parts import differences_of_parts
from services.invoicing.reconciling.stripe_sides import Sides, differences_of_sides
from services.invoicing.repository.reconciling import Parts
from services.invoicing.stripe_types import StripeInvoice, StripeLine
from tests.support.invoice_statements import TWO_RATES, fee_line, usage_statement

STATEMENT = usage_statement([fee_line("001-fee", "100")], plan=TWO_RATES)
INVOICE = STATEMENT.invoice
LINES = [one.line for one in STATEMENT.lines]


def _stripe(total: int) -> StripeInvoice:
    return StripeInvoice(
        id="in_1",
        status="open",
        customer="cus_1",
        currency="usd",
        number=INVOICE.number,
        total=total,
        total_excluding_tax=10000,
        starting_balance=0,
        metadata={"invoice_key": INVOICE.invoice_key, "lines_sha256": INVOICE.lines_sha256},
        hosted_invoice_url=None,
        amount_paid=0,
        amount_remaining=total,
        due_date=None,
        attempted=False,
        finalization_error=None,
        credited=0,
    )


def _codes(invoice: Invoice, total: int) -> list[str]:
    held = [StripeLine(line.line_key, line.stripe_amount, "il_1") for line in LINES]
    sides = Sides(invoice, LINES, "cus_1", _stripe(total), held)
    return [one.code for one in differences_of_sides(sides)]


@pytest.mark.parametrize(
    ("values", "total", "found"),
    [
        ({}, 11498, []),
        ({}, 11497, ["stripe_tax_differs"]),
        ({}, 10000, ["stripe_tax_differs"]),
        ({"tax_treatment": "automatic", "tax_minor": None}, 11900, []),
        ({"tax_treatment": "none", "tax_minor": 0}, 11900, []),
    ],
)
def test_our_tax_is_compared_and_stripes_is_not(
    values: dict[str, Any], total: int, found: list[str]
) -> None:
    """A cent of tax that somebody changed at Stripe is a difference."""
    assert found == _codes(replace(INVOICE, **values), total)


def test_the_taxes_of_an_invoice_sum_to_it() -> None:
    """Its rows are its tax; without tax of our own there is nothing to sum."""
    taxes = sum(tax.tax_minor for tax in STATEMENT.taxes)
    right, wrong = Parts(LINES, {}, tax_minor=taxes), Parts(LINES, {}, tax_minor=taxes - 1)

    assert [] == list(differences_of_parts(INVOICE, right))
    assert ["invoice_tax_total_differ"] == [
        one.code for one in differences_of_parts(INVOICE, wrong)
    ]
    untaxed = replace(INVOICE, tax_treatment="none", tax_minor=0)
    assert [] == list(differences_of_parts(untaxed, wrong))
