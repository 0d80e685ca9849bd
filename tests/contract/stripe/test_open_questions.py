"""What no page of Stripe says: asked in its test mode, the answers kept in the test report.

The simulator refuses these, or takes the cautious side. There is nothing to compare with, so they
run against Stripe only.
"""

from typing import Any

import pytest
import stripe

from tests.support.stripe_targets import Target


async def _answer(call: Any) -> str:
    try:
        made = await call
    except stripe.StripeError as refusal:
        return f"refused: {refusal.code} {refusal.user_message}"
    return f"taken: total {made.total}, amounts {[line.amount for line in made.lines.data]}"


async def _draft(sandbox: Target, currency: str) -> str:
    customer = await sandbox.api.customers.create_async({"name": "Open questions"})
    made = await sandbox.api.invoices.create_async(
        {"customer": customer.id, "currency": currency, "auto_advance": False}
    )
    return str(made.id)


async def test_how_unit_prices_are_rounded(sandbox: Target, record_property: Any) -> None:
    """Record what becomes of half units: 0.5, 1.5, 2.5 and -0.5 cents."""
    draft = await _draft(sandbox, "usd")
    for unit in ("0.5", "1.5", "2.5"):
        given = {"currency": "usd", "unit_amount_decimal": unit, "product_data": {"name": unit}}
        call = sandbox.api.invoices.add_lines_async(draft, {"lines": [{"price_data": given}]})
        record_property(f"unit_amount_decimal={unit}", await _answer(call))


async def test_how_many_lines_a_call_takes(sandbox: Target, record_property: Any) -> None:
    """Record whether 250 lines go in one call."""
    draft = await _draft(sandbox, "usd")
    lines = [{"amount": 1, "description": str(n)} for n in range(250)]
    answer = await _answer(sandbox.api.invoices.add_lines_async(draft, {"lines": lines}))
    record_property("250 lines in a call", answer)


@pytest.mark.parametrize(("currency", "amount"), [("ugx", 150), ("twd", 150), ("huf", 150)])
async def test_which_amounts_a_currency_takes(
    sandbox: Target, record_property: Any, currency: str, amount: int
) -> None:
    """Record whether a currency that is said to be whole takes an amount that is not."""
    draft = await _draft(sandbox, currency)
    call = sandbox.api.invoices.add_lines_async(draft, {"lines": [{"amount": amount}]})
    record_property(f"{amount} {currency}", await _answer(call))


async def test_what_an_amount_times_a_quantity_is(sandbox: Target, record_property: Any) -> None:
    """Record what `amount` means beside a `quantity` of 3."""
    draft = await _draft(sandbox, "usd")
    call = sandbox.api.invoices.add_lines_async(draft, {"lines": [{"amount": 300, "quantity": 3}]})
    record_property("amount 300, quantity 3", await _answer(call))
