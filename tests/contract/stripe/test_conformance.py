"""One set of calls for whoever answers as Stripe: the same parameters, shapes and refusals.

Against the simulator always, against `stripe-mock` where Go is (shapes and parameters only, since
it keeps no state), against Stripe's test mode with `STRIPE_API_KEY`.
"""

from typing import Any
from uuid import uuid4

import stripe

from tests.support.stripe_targets import Target

LINE = {
    "amount": 1500,
    "description": "Tokens, model a",
    "metadata": {"line_key": "a"},
    "period": {"start": 1_764_547_200, "end": 1_767_225_599},
}
SEND = {"collection_method": "send_invoice", "days_until_due": 30, "auto_advance": False}


def _name(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex[:16]}"


async def _customer(target: Target, **extra: Any) -> Any:
    params = {"name": "Conformance", "email": "billing@conformance.example", **extra}
    return await target.api.customers.create_async(params)


async def _deletion(service: Any, identifier: str) -> dict[str, Any]:
    return {"deleted": (await service.delete_async(identifier)).deleted}


async def _open(target: Target, customer: str, *lines: dict[str, Any], **extra: Any) -> Any:
    params = {"customer": customer, "currency": "usd", **SEND, **extra}
    draft = await target.api.invoices.create_async(params)
    await target.api.invoices.add_lines_async(draft.id, {"lines": list(lines or (LINE,))})
    return await target.api.invoices.finalize_invoice_async(draft.id, {"auto_advance": False})


async def test_customers(target: Target) -> None:
    """A customer's whole life, with address, tax ids and balance."""
    api = target.api
    made = await _customer(
        target,
        address={"country": "DE", "city": "Berlin", "line1": "Street 1", "postal_code": "10115"},
        metadata={"tenant_id": "t"},
        tax={"validate_location": "immediately"},
        tax_exempt="none",
    )
    target.shaped(made, stripe.Customer)
    changed = await api.customers.update_async(made.id, {"metadata": {"x": "1"}, "phone": "+1"})
    target.same({"tenant_id": "t", "x": "1"}, dict(changed.metadata.to_dict()))
    tax_id = await api.customers.tax_ids.create_async(
        made.id, {"type": "eu_vat", "value": "DE123456789"}
    )
    target.shaped(tax_id, stripe.TaxId)
    row = await api.customers.balance_transactions.create_async(
        made.id, {"amount": -500, "currency": "usd", "description": "goodwill"}
    )
    target.shaped(row, stripe.CustomerBalanceTransaction)
    listed = await api.customers.balance_transactions.list_async(made.id, {"limit": 3})
    target.same([-500], [one.ending_balance for one in listed.data])
    await api.customers.list_async({"limit": 1, "created": {"gte": 1}, "email": "a@b.example"})
    await api.customers.search_async({"query": "metadata['tenant_id']:'t'", "limit": 1})
    await api.customers.tax_ids.delete_async(made.id, tax_id.id)
    target.same(expected={"deleted": True}, found=await _deletion(api.customers, made.id))
    await target.refused(api.customers.retrieve_async("cus_none"), code="resource_missing")
    await target.refused(
        _customer(target, address={"country": "US"}, tax={"validate_location": "immediately"}),
        code="customer_tax_location_invalid",
    )


async def test_a_draft_with_every_parameter_that_invoicing_may_send(target: Target) -> None:
    """Custom fields, metadata, memo, footer, number, dates: accepted and shown as they are."""
    customer = await _customer(target)
    made = await target.api.invoices.create_async(
        {
            "customer": customer.id,
            "currency": "eur",
            "pending_invoice_items_behavior": "exclude",
            "automatic_tax": {"enabled": False},
            "custom_fields": [{"name": "Service period", "value": "2026-01-01 to 2026-01-31"}],
            "description": "Usage",
            "effective_at": 1_767_225_599,
            "footer": "Thank you",
            "metadata": {"invoice_key": "k", "revision": "0", "attempt": "1"},
            "number": _name("TR"),
            **SEND,
        }
    )
    target.shaped(made, stripe.Invoice)
    target.same(("eur", "Usage", "draft", 0), (
        made.currency, made.description, made.status, made.total,
    ))  # fmt: skip


async def test_life_of_an_invoice(target: Target) -> None:
    """Draft, lines, number, finalized, sent, paid out of band; every refusal of a state."""
    api = target.api.invoices
    customer = await _customer(target)
    draft = await api.create_async({"customer": customer.id, "currency": "usd", **SEND})
    target.shaped(draft, stripe.Invoice)
    target.same((None, None), (draft.hosted_invoice_url, draft.number))
    added = await api.add_lines_async(draft.id, {"lines": [LINE, {**LINE, "amount": -500}]})
    target.same([1500, -500], sorted((line.amount for line in added.lines.data), reverse=True))
    lines = await api.line_items.list_async(draft.id, {"limit": 100})
    for line in lines.data:
        target.shaped(line, stripe.InvoiceLineItem)
    first = lines.data[0].id
    await api.update_lines_async(draft.id, {"lines": [{"id": first, "description": "changed"}]})
    number = _name("TR")
    await api.update_async(draft.id, {"number": number})
    await target.refused(api.void_invoice_async(draft.id))
    final = await api.finalize_invoice_async(draft.id, {"auto_advance": False})
    target.shaped(final, stripe.Invoice)
    target.same(("open", 1000, number), (final.status, final.amount_due, final.number))
    await target.refused(api.delete_async(draft.id))
    await target.refused(api.add_lines_async(draft.id, {"lines": [LINE]}))
    await api.send_invoice_async(draft.id)
    paid = await api.pay_async(draft.id, {"paid_out_of_band": True})
    target.same(("paid", 0), (paid.status, paid.amount_remaining))
    await target.refused(api.void_invoice_async(draft.id))
    await api.list_async({"customer": customer.id, "status": "paid", "created": {"gte": 1}})


async def test_void_uncollectible_deleted_revised(target: Target) -> None:
    """The other ends of an invoice, and its replacement."""
    api = target.api.invoices
    customer = await _customer(target)
    void = await api.void_invoice_async((await _open(target, customer.id)).id)
    target.same("void", void.status)
    bad = await api.mark_uncollectible_async((await _open(target, customer.id)).id)
    target.same("uncollectible", bad.status)
    draft = await api.create_async({"customer": customer.id, "currency": "usd", **SEND})
    target.same(expected={"deleted": True}, found=await _deletion(api, draft.id))
    original = await _open(target, customer.id)
    revision = await api.create_async(
        {"from_invoice": {"action": "revision", "invoice": original.id}}
    )
    target.same(("draft", 1500), (revision.status, revision.total))
    await api.finalize_invoice_async(revision.id)
    replaced = await api.retrieve_async(original.id, {"expand": ["customer"]})
    target.same(("void", revision.id), (replaced.status, replaced.latest_revision))


async def test_items_prices_and_previews(target: Target) -> None:
    """Products, prices and pending items, and the preview of what they make."""
    api = target.api
    customer = await _customer(target)
    product = await api.products.create_async({"name": "Tokens"})
    target.shaped(product, stripe.Product)
    price = await api.prices.create_async(
        {"product": product.id, "currency": "usd", "unit_amount_decimal": "0.25"}
    )
    target.shaped(price, stripe.Price)
    item = await api.invoice_items.create_async(
        {"customer": customer.id, "pricing": {"price": price.id}, "quantity": 400}
    )
    target.shaped(item, stripe.InvoiceItem)
    target.same(100, item.amount)
    await api.invoice_items.update_async(item.id, {"description": "new"})
    await api.invoice_items.list_async({"customer": customer.id, "pending": True})
    preview = await api.invoices.create_preview_async(
        {
            "customer": customer.id,
            "currency": "usd",
            "invoice_items": [{"amount": 50, "currency": "usd"}],
        }
    )
    target.same(150, preview.total)
    await api.invoice_items.delete_async(item.id)


async def test_coupons_and_taxes(target: Target) -> None:
    """A coupon comes off before tax, tax is rounded by line, both stand on the invoice."""
    api = target.api
    customer = await _customer(target)
    coupon = await api.coupons.create_async(
        {"id": _name("c"), "percent_off": 10, "duration": "once"}
    )
    target.shaped(coupon, stripe.Coupon)
    rate = await api.tax_rates.create_async(
        {"display_name": "VAT", "inclusive": False, "percentage": 15}
    )
    target.shaped(rate, stripe.TaxRate)
    final = await _open(
        target,
        customer.id,
        {**LINE, "amount": 430},
        {**LINE, "amount": 4840},
        discounts=[{"coupon": coupon.id}],
        default_tax_rates=[rate.id],
    )
    target.shaped(final, stripe.Invoice)
    target.same((5270, 4743, 5454), (final.subtotal, final.total_excluding_tax, final.total))


async def test_tax_amounts_of_our_own(target: Target) -> None:
    """What we work out stands on the invoice to the unit, and goes back with a credited line."""
    customer = await _customer(target, address={"country": "DE"})
    rate = {
        "display_name": "VAT",
        "inclusive": False,
        "percentage": "19",
        "jurisdiction": "Germany",
        "country": "DE",
    }
    taxes = [
        {
            "amount": 171,
            "taxable_amount": 900,
            "tax_rate_data": rate,
            "taxability_reason": "standard_rated",
        }
    ]
    final = await _open(
        target,
        customer.id,
        {**LINE, "amount": 1000, "tax_amounts": taxes},
        {**LINE, "amount": -100},
        footer="Thank you",
    )
    target.shaped(final, stripe.Invoice)
    target.same((900, 1071), (final.total_excluding_tax, final.total))
    if target.stateless:
        return
    line = next(line for line in final.lines.data if line.taxes)
    credited = {
        "amount": 57,
        "taxable_amount": 300,
        "tax_rate": line.taxes[0].tax_rate_details.tax_rate,
    }
    one = {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 300}
    note = await target.api.credit_notes.create_async(
        {"invoice": final.id, "lines": [one | {"tax_amounts": [credited]}]}
    )
    target.shaped(note, stripe.CreditNote)
    target.same((300, 357), (note.total_excluding_tax, note.total))


async def test_automatic_tax_takes_no_line_below_zero(target: Target) -> None:
    """A product of our own id, prices of it with quantity 1; a negative line is refused."""
    api = target.api
    product = await api.products.create_async({"id": _name("tallyroll"), "name": "Usage"})
    target.shaped(product, stripe.Product)
    customer = await _customer(
        target, address={"country": "DE"}, tax={"validate_location": "immediately"}
    )
    draft = await api.invoices.create_async(
        {"customer": customer.id, "currency": "usd", "automatic_tax": {"enabled": True}, **SEND}
    )
    price = {
        "currency": "usd",
        "product": product.id,
        "tax_behavior": "exclusive",
        "unit_amount": 1000,
    }
    priced = {"price_data": price, "quantity": 1, "metadata": {"line_key": "a"}}
    added = await api.invoices.add_lines_async(draft.id, {"lines": [priced]})
    target.shaped(added, stripe.Invoice)
    target.same(1000, added.total_excluding_tax)
    await target.refused(api.invoices.add_lines_async(draft.id, {"lines": [{"amount": -100}]}))
    await target.refused(api.products.create_async({"id": product.id, "name": "Usage"}))


async def test_automatic_tax_asks_for_a_place(target: Target) -> None:
    """Without an address the invoice stays a draft that requires location inputs."""
    customer = await _customer(target)
    draft = await target.api.invoices.create_async(
        {
            "customer": customer.id,
            "currency": "usd",
            "automatic_tax": {"enabled": True},
            **SEND,
        }
    )
    unit = {"currency": "usd", "unit_amount": 1000, "tax_behavior": "exclusive"}
    given = {"price_data": {**unit, "product_data": {"name": "Tokens"}}, "quantity": 1}
    added = await target.api.invoices.add_lines_async(draft.id, {"lines": [given]})
    target.same("requires_location_inputs", added.automatic_tax.status)
    await target.refused(
        target.api.invoices.finalize_invoice_async(draft.id), code="customer_tax_location_invalid"
    )


async def test_payments_refunds_credit_notes(target: Target) -> None:
    """A paid invoice, a refund, and a note that gives back the rest in two ways."""
    api = target.api
    card = "pm_card_visa"
    customer = await _customer(
        target, payment_method=card, invoice_settings={"default_payment_method": card}
    )
    extra = {"collection_method": "charge_automatically", "days_until_due": None}
    invoice = await _open(target, customer.id, **extra)
    paid = await api.invoices.pay_async(invoice.id)
    target.same("paid", paid.status)
    payments = await api.invoice_payments.list_async({"invoice": invoice.id})
    for payment in payments.data:
        target.shaped(payment, stripe.InvoicePayment)
    charges = await api.charges.list_async({"customer": customer.id, "limit": 1})
    refund = await api.refunds.create_async({"charge": charges.data[0].id, "amount": 300})
    target.same(("succeeded", 300), (refund.status, refund.amount))
    params = {
        "invoice": invoice.id,
        "amount": 1000,
        "credit_amount": 700,
        "refunds": [{"refund": refund.id, "amount_refunded": 300}],
    }
    preview = await api.credit_notes.preview_async(params)
    note = await api.credit_notes.create_async({**params, "reason": "order_change", "memo": "m"})
    target.shaped(note, stripe.CreditNote)
    target.same((preview.total, 0, 1000), (
        note.total, note.pre_payment_amount, note.post_payment_amount,
    ))  # fmt: skip
    await target.refused(
        api.credit_notes.create_async(
            {"invoice": invoice.id, "amount": 501, "out_of_band_amount": 501}
        )
    )
    await api.credit_notes.list_async({"invoice": invoice.id})
    await api.credit_notes.update_async(note.id, {"memo": "other"})
    await api.disputes.list_async({"limit": 1})


async def test_credit_notes_of_open_invoices(target: Target) -> None:
    """A line credited before payment lowers what is due, and the note can be voided."""
    api = target.api
    customer = await _customer(target)
    invoice = await _open(target, customer.id)
    line = invoice.lines.data[0].id
    given = {"type": "invoice_line_item", "invoice_line_item": line, "amount": 400}
    note = await api.credit_notes.create_async({"invoice": invoice.id, "lines": [given]})
    lines = await api.credit_notes.line_items.list_async(note.id)
    for one in lines.data:
        target.shaped(one, stripe.CreditNoteLineItem)
    after = await api.invoices.retrieve_async(invoice.id)
    target.same((1100, 400), (after.amount_remaining, after.pre_payment_credit_notes_amount))
    target.same("void", (await api.credit_notes.void_credit_note_async(note.id)).status)


async def test_small_totals_go_to_the_balance(target: Target) -> None:
    """Below the minimum charge the invoice is paid at once and the customer owes the amount."""
    customer = await _customer(target)
    final = await _open(target, customer.id, {**LINE, "amount": 49})
    after = await target.api.customers.retrieve_async(customer.id)
    target.same(("paid", 0, 49, 49), (
        final.status, final.amount_due, final.ending_balance, after.balance,
    ))  # fmt: skip


async def test_keys_and_parameters(target: Target) -> None:
    """A key replays its answer, refuses other parameters; unknown names are refused anywhere."""
    api = target.api.customers
    key = {"idempotency_key": _name("key")}
    first = await api.create_async({"name": "A"}, key)
    again = await api.create_async({"name": "A"}, key)
    target.same(first.id, again.id)
    await target.refused(api.create_async({"name": "B"}, key))
    await target.refused(
        api.create_async({"nonsense": "x"}), code="parameter_unknown", param="nonsense"
    )
    await target.refused(
        api.create_async({"address": {"planet": "x"}}),
        code="parameter_unknown",
        param="address[planet]",
    )
    await target.refused(api.list_async({"limit": 101}))
    customer = await _customer(target)
    await target.refused(
        target.api.invoices.create_async({"customer": customer.id, "currency": "xxx"})
    )


async def test_events_endpoints_and_meters(target: Target) -> None:
    """What is left: events, webhook endpoints and meter events take these parameters."""
    api = target.api
    await api.events.list_async({"types": ["invoice.created", "invoice.paid"], "limit": 1})
    endpoint = await api.webhook_endpoints.create_async(
        {"url": "https://example.com/hook", "enabled_events": ["invoice.paid"]}
    )
    target.shaped(endpoint, stripe.WebhookEndpoint)
    await api.webhook_endpoints.update_async(endpoint.id, {"disabled": True})
    await api.webhook_endpoints.list_async({"limit": 1})
    await api.webhook_endpoints.delete_async(endpoint.id)
