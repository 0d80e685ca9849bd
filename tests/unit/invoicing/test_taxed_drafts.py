"""What tax makes of a draft: on the net after coupons, carried amounts, what is sent."""

import json
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.invoicing.domain.carrying import CarriedIn
from services.invoicing.domain.coupons import Coupon, NamedCoupon
from services.invoicing.domain.line_taxes import NETTED_KEY
from services.invoicing.domain.taxing import Rate, TaxPlan
from services.invoicing.drafting import Draft, compose_draft
from services.invoicing.models import InvoiceLine
from shared.events.statement_rated import StatementRated
from shared.money import CURRENCIES, format_exact
from tests.support.invoice_statements import fee_line

START = date(2026, 1, 1)
VAT = TaxPlan("rates", (Rate("vat", "VAT", "Germany", "DE", Fraction(20), START),))
AUTOMATIC = TaxPlan("automatic")
HALF = NamedCoupon(Coupon("half", percent=Fraction(50)), "half off")


def draft(
    *amounts: str, tax: TaxPlan = VAT, currency: str = "USD", paid: Any = (), **values: Any
) -> Draft:
    lines = [fee_line(f"{at:03d}", amount) for at, amount in enumerate(amounts)]
    total = sum(map(Fraction, amounts), Fraction(0))
    statement = StatementRated.model_validate(
        {
            "vendor_id": "demo",
            "mode": "test",
            "tenant_id": "acme",
            "statement_id": "st-1",
            "subscription_id": "sub-1",
            "kind": "period",
            "sequence": 1,
            "period_start": START,
            "period_end": date(2026, 2, 1),
            "currency": currency,
            "price_book": "standard",
            "price_version": 1,
            "price_hash": "p",
            "plan": "pro",
            "input_hash": "i",
            "rating_hash": "r",
            "total_exact": format_exact(total),
            "lines": lines,
            "unrated": [],
            "credits": [
                {"grant_id": "g", "line_key": "000", "amount_exact": amount, "tax": mode}
                for mode, amount in paid
            ],
        }
    )
    carried = values.get("carried", ())
    return compose_draft(statement, carried, values.get("coupons", ()), tax)


def sent(made: Draft) -> Sequence[InvoiceLine]:
    return made.sent or made.lines


def money(made: Draft) -> tuple[Any, ...]:
    return tuple(made.values[name] for name in ("total_minor", "tax_minor", "state", "reason"))


def test_tax_is_on_the_exact_net_after_coupons() -> None:
    """A third of a cent taxed before rounding, not after; the coupon comes first."""
    made = draft("10", "0.0666", coupons=(HALF,))

    assert (503, 101, "draft", None) == money(made)  # 5.0333 net, 1.00666 tax
    (tax,) = made.tax.taxes
    assert (Fraction("5.0333"), 503) == (tax.taxable, tax.taxable_minor)
    assert 101 == sum(part.amount for line in sent(made) for part in line.taxes)
    assert not [line for line in sent(made) if line.taxes and line.stripe_amount <= 0]


def test_credit_that_was_taxed_when_it_was_bought_is_a_payment() -> None:
    """At use it lowers what is taxed; at purchase it pays, and the tax remains to be paid."""
    assert (0, 0, "paid", "zero_total") == money(draft("10", paid=[("at_use", "10")]))
    assert (0, 200, "draft", None) == money(draft("10", paid=[("at_purchase", "10")]))


def test_what_is_carried_over_is_taxed_once_by_the_invoice_that_takes_it() -> None:
    """It leaves untaxed, with what of it is not taxed yet, and is taxed where it arrives."""
    left = draft("1", paid=[("at_purchase", "0.9")])
    assert left.carried_out is not None
    out = left.carried_out
    carried = CarriedIn("in-1", out.amount, "sub-1", START, START, out.taxable)
    taken = draft("10", carried=(carried,))

    assert (0, 0, "paid", "carried_over") == money(left)
    assert (Fraction("0.1"), Fraction(1)) == (out.amount, out.taxable)
    assert () == left.tax.taxes
    assert (1010, 220, "draft", None) == money(taken)


def test_a_total_below_the_minimum_is_charged_when_tax_lifts_it() -> None:
    """USD 0.45 and its tax are 0.54; without tax it waits."""
    assert (45, 9, "draft", None) == money(draft("0.45"))
    assert (0, 0, "paid", "carried_over") == money(draft("0.45", tax=TaxPlan()))


def test_exempt_and_reverse_charge_say_so_and_cost_nothing() -> None:
    """No tax, its text, and a tax of zero on every line for Stripe's page."""
    made = draft("10", tax=TaxPlan("reverse_charge", text="Reverse charge, Art. 196"))

    assert (1000, 0, "draft", None) == money(made)
    assert "Reverse charge, Art. 196" == made.values["tax_text"]
    (line,) = sent(made)
    assert [("reverse_charge", 1000, 0)] == [
        (part.reason, part.taxable, part.amount) for part in line.taxes
    ]


def test_a_rate_that_is_not_valid_yet_taxes_nothing() -> None:
    """The invoice is of the treatment, and has no tax."""
    assert (1000, 0, "draft", None) == money(draft("10", tax=TaxPlan("rates")))


@pytest.mark.parametrize(("currency", "multiple"), [("KWD", 10), ("MGA", 100)])
def test_what_is_paid_can_be_paid_with_its_tax(currency: str, multiple: int) -> None:
    """The rounding line makes the total with tax payable, not the one without."""
    made = draft("10.1234", currency=currency)
    total, tax = made.values["total_minor"], made.values["tax_minor"]

    assert 0 == (total + tax) % multiple
    assert total == sum(line.amount_minor for line in made.lines)


@given(
    st.lists(st.decimals(-50, 100, places=3).map(str), min_size=1, max_size=8).filter(
        lambda amounts: sum(map(Fraction, amounts)) > 1
    ),
    st.sampled_from(["USD", "ISK", "KWD", "MGA"]),
)
def test_nothing_below_zero_is_sent_beside_automatic_tax(amounts: list[str], currency: str) -> None:
    """Deductions are inside the other lines, which sum to the total; ours stay as they are."""
    made = draft(*amounts, tax=AUTOMATIC, currency=currency, coupons=(HALF,))

    assert made.values["tax_minor"] is None
    total = made.values["total_minor"]
    if made.values["state"] == "draft":
        assert all(line.stripe_amount >= 0 for line in sent(made))
        assert total == sum(line.amount_minor for line in sent(made))
        assert [line.position for line in sent(made)] == list(range(1, len(sent(made)) + 1))
    assert total == sum(line.amount_minor for line in made.lines)
    wire = sum(line.stripe_amount for line in made.lines)
    assert wire == sum(line.stripe_amount for line in sent(made))
    keys = {line.line_key for line in sent(made)}
    assert all((line.sent_key or line.line_key) in {*keys, NETTED_KEY} for line in made.lines)


def test_lines_above_zero_are_sent_as_they_are() -> None:
    """Without anything to net there is nothing to change."""
    assert () == draft("10", "20", tax=AUTOMATIC).sent


def test_a_sent_line_says_that_it_was_lowered() -> None:
    """What the customer reads at Stripe is not the full price."""
    made = draft("10", "30", tax=AUTOMATIC, coupons=(HALF,))

    assert [500, 1500] == [line.stripe_amount for line in made.sent]
    assert all("after credits, coupons and corrections" in line.description for line in made.sent)
    assert [None, None, NETTED_KEY] == [line.sent_key for line in made.lines]


GOLDEN = Path(__file__).parents[1] / "golden"


def _golden(name: str) -> list[Any]:
    vectors = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return [
        pytest.param(vector, case, id=f"{vector['id']}-{at}")
        for vector in vectors
        for at, case in enumerate(vector["cases"])
        if vector["price"].get("tax_rounding", "invoice") == "invoice"
    ]


@pytest.mark.parametrize(("vector", "case"), _golden("tax"))
def test_golden_taxes_are_those_of_a_draft(vector: Any, case: Any) -> None:
    """The published cases, through the function that drafts invoices."""
    percents = vector["price"]["rates_percent"]
    rates = tuple(
        Rate(f"r{at}", "Tax", "", "", Fraction(percent), START)
        for at, percent in enumerate(percents)
    )
    made = draft(case["taxable"], tax=TaxPlan("rates", rates), currency=vector["currency"])

    scale = 10 ** CURRENCIES[vector["currency"]].exponent
    expected = {name: Fraction(case["expect"][name]) * scale for name in ("tax", "total")}
    net, tax = made.values["total_minor"], made.values["tax_minor"]
    assert {"tax": tax, "total": net + tax} == expected
    assert tax == sum(part.amount for line in sent(made) for part in line.taxes)
