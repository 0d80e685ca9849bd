"""Coupons, tax rates, automatic tax and the customer balance on invoices."""

from typing import Any

import pytest
import stripe


async def test_coupons_and_tax_rates_make_the_total(simulator: Any) -> None:
    """A coupon comes off, then tax is added by line; the sums stand on the invoice."""
    api = simulator.api
    await api.coupons.create_async({"id": "tenth", "percent_off": 10, "duration": "once"})
    vat = await api.tax_rates.create_async(
        {"display_name": "VAT", "inclusive": False, "percentage": 20}
    )
    draft = await simulator.draft(discounts=[{"coupon": "tenth"}], default_tax_rates=[vat.id])
    after = await api.invoices.add_lines_async(
        draft.id, {"lines": [{"amount": 5000}, {"amount": 3000, "tax_rates": [vat.id]}]}
    )
    final = await api.invoices.finalize_invoice_async(draft.id, {"expand": ["discounts"]})

    assert (8000, 7200, 8640) == (after.subtotal, after.total_excluding_tax, after.total)
    assert [(800, draft.discounts[0])] == [
        (one.amount, one.discount) for one in after.total_discount_amounts
    ]
    assert (1440, 7200) == (after.total_taxes[0].amount, after.total_taxes[0].taxable_amount)
    assert ("tenth", vat.id) == (
        final.discounts[0].source.coupon, final.default_tax_rates[0].id,
    )  # fmt: skip
    assert [500, 300] == [line.discount_amounts[0].amount for line in final.lines.data]
    assert 1 == (await api.coupons.retrieve_async("tenth")).times_redeemed


async def test_totals_do_not_depend_on_the_order_of_steps(simulator: Any) -> None:
    """Lines first and coupon later is the same as the other way round; unsetting takes it off."""
    api = simulator.api
    await api.coupons.create_async({"id": "five", "amount_off": 500, "currency": "usd"})
    first = await simulator.draft(discounts=[{"coupon": "five"}])
    second = await simulator.draft()
    lines = {"lines": [{"amount": 999}, {"amount": 1}]}
    one = await api.invoices.add_lines_async(first.id, lines)
    await api.invoices.add_lines_async(second.id, lines)
    two = await api.invoices.update_async(second.id, {"discounts": [{"coupon": "five"}]})
    unset = await api.invoices.update_async(second.id, {"discounts": ""})

    assert (500, 500, 1000) == (one.total, two.total, unset.total)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "percent_off"),
        ({"percent_off": 10, "amount_off": 1, "currency": "usd"}, "percent_off"),
        ({"percent_off": 0}, "percent_off"),
        ({"percent_off": 101}, "percent_off"),
        ({"amount_off": 1}, "currency"),
        ({"amount_off": 1, "currency": "xxx"}, "currency"),
        ({"percent_off": 10, "duration": "repeating"}, "duration_in_months"),
    ],
)
async def test_bad_coupons_are_refused(simulator: Any, params: dict[str, Any], param: str) -> None:
    """A coupon takes a percentage, or an amount in a currency."""
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.coupons.create_async(params)

    assert param == refusal.value.param


async def test_coupons_run_out_and_have_a_currency(simulator: Any) -> None:
    """A coupon that is used up, over, or of another currency is refused for an invoice."""
    api = simulator.api
    await api.coupons.create_async({"id": "once", "percent_off": 10, "max_redemptions": 1})
    await api.coupons.create_async({"id": "over", "percent_off": 10, "redeem_by": 1_000_000_000})
    await api.coupons.create_async({"id": "eur", "amount_off": 10, "currency": "eur"})
    await simulator.draft(discounts=[{"coupon": "once"}])

    for coupon, code in (("once", "coupon_expired"), ("over", "coupon_expired"), ("eur", None)):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            await simulator.draft(discounts=[{"coupon": coupon}])
        assert (code, "discounts[0][coupon]") == (refusal.value.code, refusal.value.param)


async def _taxed(simulator: Any, **customer: Any) -> Any:
    made = await simulator.api.customers.create_async({"name": "Acme", **customer})
    draft = await simulator.draft(customer=made.id, automatic_tax={"enabled": True})
    unit = {"currency": "usd", "unit_amount": 10_000, "tax_behavior": "exclusive"}
    return await simulator.api.invoices.add_lines_async(
        draft.id, {"lines": [{"price_data": {**unit, "product_data": {"name": "Tokens"}}}]}
    )


@pytest.mark.parametrize(
    ("customer", "tax", "reason"),
    [
        ({"address": {"country": "DE"}}, 1900, "standard_rated"),
        ({"address": {"country": "US", "postal_code": "94103"}}, 725, "standard_rated"),
        ({"address": {"country": "CA", "state": "QC"}}, 1498, "standard_rated"),
        ({"address": {"country": "BR"}}, 0, "not_collecting"),
        ({"address": {"country": "DE"}, "tax_exempt": "exempt"}, 0, "customer_exempt"),
        ({"address": {"country": "DE"}, "tax_exempt": "reverse"}, 0, "reverse_charge"),
        (
            {
                "address": {"country": "DE"},
                "tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}],
            },
            0,
            "reverse_charge",
        ),
    ],
)
async def test_automatic_tax_goes_by_the_place(
    simulator: Any, customer: dict[str, Any], tax: int, reason: str
) -> None:
    """The customer's place decides the rate, exemptions and VAT numbers take it away."""
    draft = await _taxed(simulator, **customer)
    final = await simulator.api.invoices.finalize_invoice_async(draft.id)

    assert (10_000, 10_000 + tax, "complete") == (
        final.total_excluding_tax, final.total, final.automatic_tax.status,
    )  # fmt: skip
    assert (tax, reason) == (final.total_taxes[0].amount, final.total_taxes[0].taxability_reason)


async def test_without_a_registration_nothing_is_collected(simulator: Any) -> None:
    """Stripe reports no error where it collects nothing for want of a registration."""
    await simulator.settings(registrations=["FR"])
    draft = await _taxed(simulator, address={"country": "DE"})

    assert (10_000, "not_collecting") == (draft.total, draft.total_taxes[0].taxability_reason)


async def test_a_missing_location_fails_the_finalization(simulator: Any) -> None:
    """The draft stays a draft that says why, an event tells it, and an address heals it."""
    draft = await _taxed(simulator)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.invoices.finalize_invoice_async(draft.id)
    failed = await simulator.api.invoices.retrieve_async(draft.id)

    code = "customer_tax_location_invalid"
    assert (code, "draft", code, "requires_location_inputs") == (
        refusal.value.code, failed.status, failed.last_finalization_error.code,
        failed.automatic_tax.status,
    )  # fmt: skip
    assert 1 == len(await simulator.events("invoice.finalization_failed"))

    await simulator.api.customers.update_async(draft.customer, {"address": {"country": "IE"}})
    healed = await simulator.api.invoices.finalize_invoice_async(draft.id)
    assert ("open", 12_300, None) == (
        healed.status, healed.total, healed.last_finalization_error,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "param"),
    [
        ({"amount": -1}, "lines"),
        ({"price_data": {"currency": "usd", "unit_amount": 1, "product_data": {"name": "x"}}},
         "lines"),
    ],
)  # fmt: skip
async def test_automatic_tax_refuses_lines(
    simulator: Any, line: dict[str, Any], param: str
) -> None:
    """Beside automatic tax there is no negative line and no unspecified tax behavior."""
    draft = await _taxed(simulator, address={"country": "DE"})
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.invoices.add_lines_async(draft.id, {"lines": [line]})
    after = await simulator.api.invoices.retrieve_async(draft.id)

    assert (param, 1) == (refusal.value.param, after.lines.total_count)


async def test_automatic_tax_cannot_be_switched_on_beside_what_it_refuses(simulator: Any) -> None:
    """Negative lines, manual rates and an effective date of one's own keep automatic tax off."""
    api = simulator.api
    rate = await api.tax_rates.create_async(
        {"display_name": "VAT", "inclusive": True, "percentage": "8.125"}
    )
    negative, effective, manual = [await simulator.draft() for _ in range(3)]
    await api.invoices.add_lines_async(negative.id, {"lines": [{"amount": 5}, {"amount": -1}]})
    await api.invoices.update_async(effective.id, {"effective_at": 1_772_000_000})
    await api.invoices.update_async(manual.id, {"default_tax_rates": [rate.id]})

    for draft in (negative, effective, manual):
        with pytest.raises(stripe.InvalidRequestError):
            await api.invoices.update_async(draft.id, {"automatic_tax": {"enabled": True}})
        after = await api.invoices.retrieve_async(draft.id)
        assert after.automatic_tax.enabled is False


@pytest.mark.parametrize(
    ("currency", "amount", "status", "ending"),
    [
        ("usd", 50, "open", 0),
        ("usd", 49, "paid", 49),
        ("jpy", 49, "paid", 49),
        ("jpy", 50, "open", 0),
        ("gbp", 30, "open", 0),
        ("czk", 1499, "paid", 1499),
        ("usd", 0, "paid", 0),
        ("usd", -700, "paid", -700),
    ],
)
async def test_small_and_negative_totals_go_to_the_balance(
    simulator: Any, currency: str, amount: int, status: str, ending: int
) -> None:
    """Below the currency's minimum nothing is collected: the amount waits on the balance."""
    final = await simulator.open_invoice(amount, currency=currency)
    customer = await simulator.api.customers.retrieve_async(final.customer)
    due = amount if status == "open" else 0

    assert (status, due, ending, ending) == (
        final.status, final.amount_due, final.ending_balance, customer.balance,
    )  # fmt: skip


async def test_the_balance_meets_the_next_invoice(simulator: Any) -> None:
    """Credit lowers what is due, debt raises it, a void gives it back; the total never changes."""
    api = simulator.api
    customer = await api.customers.create_async({"name": "Acme"})
    small = await simulator.open_invoice(30, customer=customer.id)
    draft = await simulator.draft(customer=customer.id)
    carried = await simulator.open_invoice(1000, customer=customer.id)
    await api.customers.balance_transactions.create_async(
        customer.id, {"amount": -1500, "currency": "usd"}
    )
    covered = await simulator.open_invoice(1000, customer=customer.id)
    partly = await simulator.open_invoice(1000, customer=customer.id)
    await api.invoices.void_invoice_async(partly.id)
    rows = await api.customers.balance_transactions.list_async(customer.id)

    assert (0, 30) == (small.amount_due, draft.starting_balance)
    assert (1000, 30, 1030, 0) == (
        carried.total, carried.starting_balance, carried.amount_due, carried.ending_balance,
    )  # fmt: skip
    assert ("paid", 0, -1500, -500) == (
        covered.status, covered.amount_due, covered.starting_balance, covered.ending_balance,
    )  # fmt: skip
    assert ("open", 500, -500, 0) == (
        partly.status, partly.amount_due, partly.starting_balance, partly.ending_balance,
    )  # fmt: skip
    assert [
        ("unapplied_from_invoice", -500), ("applied_to_invoice", 500),
        ("applied_to_invoice", 1000), ("adjustment", -1500),
        ("applied_to_invoice", -30), ("invoice_too_small", 30),
    ] == [(row.type, row.amount) for row in rows.data]  # fmt: skip


async def test_a_balance_is_of_one_currency(simulator: Any) -> None:
    """Credit in dollars does not pay an invoice in euros."""
    customer = await simulator.api.customers.create_async({"name": "Acme", "balance": -5000})
    euros = await simulator.open_invoice(1000, customer=customer.id, currency="eur")

    assert (1000, 0) == (euros.amount_due, euros.starting_balance)
