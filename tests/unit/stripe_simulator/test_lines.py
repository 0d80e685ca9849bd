"""What lines are made of: amounts, prices, pending items; how drafts change."""

from typing import Any

import pytest
import stripe


async def test_lines_by_price_and_product(simulator: Any) -> None:
    """A line may name a stored price or make one for a product; the amount is exact."""
    api = simulator.api
    product = await api.products.create_async({"name": "Tokens"})
    price = await api.prices.create_async(
        {"product": product.id, "currency": "usd", "unit_amount_decimal": "0.25"}
    )
    draft = await simulator.draft()
    unit = {"currency": "usd", "product": product.id, "unit_amount": 700}
    made = {"currency": "usd", "product_data": {"name": "Seats"}, "unit_amount_decimal": "1.5"}
    lines: list[dict[str, Any]] = [
        {"pricing": {"price": price.id}, "quantity": 400},
        {"price_data": unit},
        {"price_data": made, "quantity_decimal": "3.0"},
    ]
    with pytest.raises(stripe.InvalidRequestError) as rounding:
        await api.invoices.add_lines_async(draft.id, {"lines": lines})
    lines[2]["quantity_decimal"] = "4.0"
    after = await api.invoices.add_lines_async(draft.id, {"lines": lines})

    assert "simulator_not_covered" == rounding.value.code
    assert [("Tokens", 100), ("Tokens", 700), ("Seats", 6)] == [
        (line.description, line.amount) for line in after.lines.data
    ]
    assert product.id == after.lines.data[0].pricing.price_details.product


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"amount": 1, "price_data": {"currency": "usd", "unit_amount": 1}}, "parameters_exclusive",
         "lines[0][amount]"),
        ({"price_data": {"currency": "usd", "unit_amount": 1}}, "parameter_missing",
         "lines[0][price_data][product_data]"),
        ({"price_data": {"currency": "eur", "unit_amount": 1, "product": "p"}}, None,
         "lines[0][price_data][currency]"),
        ({"price_data": {"currency": "usd", "unit_amount": 1, "product": "p"}}, "resource_missing",
         "lines[0][price_data][product]"),
        ({"price_data": {"currency": "usd", "product": "p"}}, "parameter_missing",
         "lines[0][price_data][unit_amount]"),
        ({"price_data": {"currency": "usd", "unit_amount": -1, "product": "p"}}, None,
         "lines[0][price_data][unit_amount]"),
        ({"pricing": {"price": "price_none"}}, "resource_missing", "lines[0][pricing][price]"),
        ({"amount": 1, "tax_rates": ["txr_none"]}, "resource_missing", "lines[0][tax_rates][0]"),
        ({"amount": 1, "discounts": [{"coupon": "none"}]}, "resource_missing",
         "lines[0][discounts][0][coupon]"),
        ({"amount": 1, "quantity_decimal": "1E+1"}, "parameter_invalid_decimal",
         "lines[0][quantity_decimal]"),
        ({"amount": 1, "quantity_decimal": "1.1234567890123"}, "parameter_invalid_decimal",
         "lines[0][quantity_decimal]"),
    ],
)  # fmt: skip
async def test_bad_prices_are_named(
    simulator: Any, change: dict[str, Any], code: str | None, param: str
) -> None:
    """A line takes one source of its amount, whole and of the invoice's currency."""
    draft = await simulator.draft()
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.invoices.add_lines_async(draft.id, {"lines": [change]})

    assert (code, param) == (refusal.value.code, refusal.value.param)


async def test_lines_are_changed_and_removed_in_drafts(simulator: Any) -> None:
    """Changing and removing lines moves the totals; a finalized invoice refuses both."""
    api = simulator.api.invoices
    draft = await simulator.draft()
    added = await api.add_lines_async(
        draft.id, {"lines": [{"amount": 100}, {"amount": 200}, {"amount": 300}]}
    )
    first, second, third = (line.id for line in added.lines.data)
    changed = await api.update_lines_async(
        draft.id, {"lines": [{"id": first, "amount": 150, "metadata": {"line_key": "a"}}]}
    )
    await api.line_items.update_async(draft.id, second, {"description": "new"})
    removed = await api.remove_lines_async(
        draft.id, {"lines": [{"id": third, "behavior": "delete"}]}
    )

    assert (650, 350, 2) == (changed.total, removed.total, removed.lines.total_count)
    assert [(150, None), (200, "new")] == [
        (line.amount, line.description) for line in removed.lines.data
    ]
    await api.finalize_invoice_async(draft.id)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await api.remove_lines_async(draft.id, {"lines": [{"id": first, "behavior": "delete"}]})
    assert "invoice_not_editable" == refusal.value.code


async def test_pending_items_wait_for_an_invoice(simulator: Any) -> None:
    """A pending item goes onto the next invoice that includes them, of its currency, once."""
    api = simulator.api
    customer = await api.customers.create_async({"name": "Acme"})
    base = {"customer": customer.id}
    for amount, code in ((100, "usd"), (200, "usd"), (300, "eur")):
        await api.invoice_items.create_async({**base, "amount": amount, "currency": code})
    preview = await api.invoices.create_preview_async({**base, "currency": "usd"})
    without = await api.invoices.create_async({**base, "currency": "usd"})
    include = {"pending_invoice_items_behavior": "include"}
    invoice = await api.invoices.create_async({**base, "currency": "usd", **include})
    again = await api.invoices.create_async({**base, "currency": "usd", **include})
    left = await api.invoice_items.list_async({**base, "pending": True})
    taken = await api.invoice_items.list_async({**base, "pending": False})

    assert (300, 0, 300, 0) == (preview.total, without.total, invoice.total, again.total)
    assert [200, 100] == [line.amount for line in invoice.lines.data]
    assert ([300], [200, 100]) == ([i.amount for i in left.data], [i.amount for i in taken.data])


async def test_items_change_with_their_line(simulator: Any) -> None:
    """An item made on a draft is its line: changed and deleted together, or unassigned."""
    api = simulator.api
    draft = await simulator.draft()
    item = await api.invoice_items.create_async(
        {"customer": draft.customer, "invoice": draft.id, "amount": 500, "currency": "usd"}
    )
    await api.invoice_items.update_async(item.id, {"amount": 700})
    after = await api.invoices.retrieve_async(draft.id)
    line = after.lines.data[0]
    freed = await api.invoices.remove_lines_async(
        draft.id, {"lines": [{"id": line.id, "behavior": "unassign"}]}
    )
    pending = await api.invoice_items.retrieve_async(item.id)
    back = await api.invoices.add_lines_async(draft.id, {"lines": [{"invoice_item": item.id}]})
    await api.invoice_items.delete_async(item.id)
    gone = await api.invoices.retrieve_async(draft.id)

    assert (700, item.id) == (after.total, line.parent.invoice_item_details.invoice_item)
    assert (0, None, 700, 0) == (freed.total, pending.invoice, back.total, gone.total)


async def test_preview_is_forgotten(simulator: Any) -> None:
    """A preview computes like an invoice and leaves nothing behind, not even a redeemed coupon."""
    api = simulator.api
    customer = await api.customers.create_async({"name": "Acme"})
    await api.coupons.create_async({"id": "half", "percent_off": 50, "max_redemptions": 1})
    before = (await simulator.http.get("/_sim/state")).json()["objects"]
    for _ in range(2):
        preview = await api.invoices.create_preview_async(
            {
                "customer": customer.id,
                "currency": "usd",
                "discounts": [{"coupon": "half"}],
                "invoice_items": [{"amount": 1001}],
            }
        )
        assert (1001, 500, "draft") == (preview.subtotal, preview.total, preview.status)

    assert before == (await simulator.http.get("/_sim/state")).json()["objects"]


def _tax(amount: int = 190, taxable: int = 1000, **rate: Any) -> dict[str, Any]:
    data = {"display_name": "VAT", "inclusive": False, "percentage": "19", **rate}
    return {"amount": amount, "taxable_amount": taxable, "tax_rate_data": data}


async def test_tax_amounts_are_kept_as_they_are_given(simulator: Any) -> None:
    """No percentage is applied; equal rate data is one rate, which is archived."""
    api = simulator.api
    draft = await simulator.draft()
    taxed = {"amount": 1000, "tax_amounts": [_tax(189), _tax(5, 500, percentage="1")]}
    other = {"amount": 1000, "tax_amounts": [_tax(191)]}
    after = await api.invoices.add_lines_async(
        draft.id, {"lines": [taxed, other, {"amount": -300}]}
    )
    rates = [tax.tax_rate_details.tax_rate for line in after.lines.data for tax in line.taxes]
    rate = await api.tax_rates.retrieve_async(rates[0])

    assert (1700, 1700, 2085) == (after.subtotal, after.total_excluding_tax, after.total)
    assert [(380, 2000), (5, 500)] == [
        (tax.amount, tax.taxable_amount) for tax in after.total_taxes
    ]
    assert rates[0] == rates[2] != rates[1]
    assert (False, "VAT", 19) == (rate.active, rate.display_name, rate.percentage)
    cleared = await api.invoices.update_lines_async(
        draft.id,
        {"lines": [{"id": line.id, "tax_amounts": ""} for line in after.lines.data[:2]]},
    )
    assert 1700 == cleared.total


@pytest.mark.parametrize(
    ("line", "code", "param"),
    [
        ({"amount": -1, "tax_amounts": [_tax()]}, "simulator_not_covered", "lines[0][tax_amounts]"),
        ({"amount": 1, "tax_amounts": [_tax(inclusive=True)]}, "simulator_not_covered",
         "lines[0][tax_amounts][0][tax_rate_data][inclusive]"),
        ({"amount": 1, "tax_amounts": [_tax()] * 21}, None, "lines[0][tax_amounts]"),
        ({"amount": 1, "tax_amounts": [_tax(percentage="19.12345")]}, None,
         "lines[0][tax_amounts][0][tax_rate_data][percentage]"),
        ({"amount": 1, "tax_amounts": [{"amount": 1, "taxable_amount": 1}]}, "parameter_missing",
         "lines[0][tax_amounts][0][tax_rate_data]"),
        ({"amount": 1, "tax_amounts": [{**_tax(), "rate": "x"}]}, "parameter_unknown",
         "lines[0][tax_amounts][0][rate]"),
    ],
)  # fmt: skip
async def test_bad_tax_amounts_are_named(
    simulator: Any, line: dict[str, Any], code: str | None, param: str
) -> None:
    """What Stripe refuses, or says nothing about, is refused by its place."""
    draft = await simulator.draft()
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.invoices.add_lines_async(draft.id, {"lines": [line]})

    assert (code, param) == (refusal.value.code, refusal.value.param)


async def test_tax_amounts_stand_beside_no_other_tax(simulator: Any) -> None:
    """Not beside tax rates of any line, default rates or automatic tax, whichever came first."""
    api = simulator.api
    rate = await api.tax_rates.create_async(
        {"display_name": "VAT", "inclusive": False, "percentage": "19"}
    )
    given: dict[str, Any] = {"amount": 1000, "tax_amounts": [_tax()]}
    by_rate, by_default, given_first = [await simulator.draft() for _ in range(3)]
    await api.invoices.add_lines_async(
        by_rate.id, {"lines": [{"amount": 1, "tax_rates": [rate.id]}]}
    )
    await api.invoices.update_async(by_default.id, {"default_tax_rates": [rate.id]})
    await api.invoices.add_lines_async(given_first.id, {"lines": [given]})

    refused: list[Any] = [
        api.invoices.add_lines_async(by_rate.id, {"lines": [given]}),
        api.invoices.add_lines_async(by_default.id, {"lines": [given]}),
        api.invoices.update_async(given_first.id, {"automatic_tax": {"enabled": True}}),
        api.invoices.update_async(given_first.id, {"default_tax_rates": [rate.id]}),
    ]
    for call in refused:
        with pytest.raises(stripe.InvalidRequestError):
            await call
