"""Credit notes: what they lower, what they give back, and that they never exceed the invoice."""

from typing import Any

import pytest
import stripe


async def _invoice(simulator: Any, *amounts: int, paid: bool = False, **extra: Any) -> Any:
    draft = await simulator.draft(**extra)
    await simulator.api.invoices.add_lines_async(
        draft.id, {"lines": [{"amount": amount} for amount in amounts]}
    )
    final = await simulator.api.invoices.finalize_invoice_async(draft.id)
    if paid:
        card = {"payment_method": "pm_card_visa"}
        final = await simulator.api.invoices.pay_async(final.id, card)
    return final


async def test_an_open_invoice_goes_down(simulator: Any) -> None:
    """Before a payment a note lowers what is due, line by line, and can be taken back."""
    api = simulator.api
    invoice = await _invoice(simulator, 1000, 500)
    line = invoice.lines.data[0].id
    given = {"type": "invoice_line_item", "invoice_line_item": line, "amount": 400}
    note = await api.credit_notes.create_async(
        {"invoice": invoice.id, "lines": [given], "reason": "order_change", "memo": "sorry"}
    )
    lower = await api.invoices.retrieve_async(invoice.id)
    void = await api.credit_notes.void_credit_note_async(note.id)
    back = await api.invoices.retrieve_async(invoice.id)

    assert (f"{invoice.number}-CN-01", "pre_payment", 400, 0) == (
        note.number, note.type, note.pre_payment_amount, note.post_payment_amount,
    )  # fmt: skip
    assert (1100, 1100, 400) == (
        lower.amount_due, lower.amount_remaining, lower.pre_payment_credit_notes_amount,
    )  # fmt: skip
    assert ("void", 1500, 1500) == (void.status, back.amount_remaining, back.total)


async def test_full_credit_of_an_open_invoice_settles_it(simulator: Any) -> None:
    """With nothing left to pay the invoice is paid, and its note can no longer be voided."""
    invoice = await _invoice(simulator, 1000)
    note = await simulator.api.credit_notes.create_async({"invoice": invoice.id, "amount": 1000})
    after = await simulator.api.invoices.retrieve_async(invoice.id)
    with pytest.raises(stripe.InvalidRequestError):
        await simulator.api.credit_notes.void_credit_note_async(note.id)

    assert ("paid", 0, 0) == (after.status, after.amount_remaining, after.amount_paid)


@pytest.mark.parametrize(
    ("ways", "accepted"),
    [
        ({"credit_amount": 600}, True),
        ({"refund_amount": 600}, True),
        ({"out_of_band_amount": 600}, True),
        ({"credit_amount": 100, "refund_amount": 200, "out_of_band_amount": 300}, True),
        ({}, False),
        ({"credit_amount": 599}, False),
        ({"credit_amount": 601}, False),
        ({"credit_amount": 600, "refund_amount": 1}, False),
    ],
)
async def test_after_a_payment_every_unit_has_a_way(
    simulator: Any, ways: dict[str, int], *, accepted: bool
) -> None:
    """Refund, balance and out of band add up to the note exactly, or it is refused."""
    invoice = await _invoice(simulator, 1000, paid=True)
    params = {"invoice": invoice.id, "amount": 600, **ways}
    if not accepted:
        for call in (
            simulator.api.credit_notes.preview_async(params),
            simulator.api.credit_notes.create_async(params),
        ):
            with pytest.raises(stripe.InvalidRequestError):
                await call
        return
    preview = await simulator.api.credit_notes.preview_async(params)
    note = await simulator.api.credit_notes.create_async(params)
    after = await simulator.api.invoices.retrieve_async(invoice.id)
    customer = await simulator.api.customers.retrieve_async(invoice.customer)
    charge = (await simulator.api.charges.list_async()).data[0]

    assert (preview.total, preview.post_payment_amount) == (note.total, note.post_payment_amount)
    assert ("post_payment", 600, 600, 1000) == (
        note.type, note.post_payment_amount, after.post_payment_credit_notes_amount,
        after.amount_paid,
    )  # fmt: skip
    assert -ways.get("credit_amount", 0) == customer.balance
    assert (
        ways.get("refund_amount", 0)
        == charge.amount_refunded
        == sum(one.amount_refunded for one in note.refunds)
    )


async def test_a_partly_paid_invoice_splits_the_note(simulator: Any) -> None:
    """First what is open goes down, then the rest is given back."""
    invoice = await _invoice(simulator, 1000)
    paid = {"invoice": invoice.id, "amount": 700}
    (await simulator.http.post("/_sim/payments", json=paid)).raise_for_status()
    note = await simulator.api.credit_notes.create_async(
        {"invoice": invoice.id, "amount": 500, "credit_amount": 200}
    )
    after = await simulator.api.invoices.retrieve_async(invoice.id)

    assert ("mixed", 300, 200) == (note.type, note.pre_payment_amount, note.post_payment_amount)
    assert ("paid", 0, 700) == (after.status, after.amount_remaining, after.amount_paid)


async def test_notes_stack_up_to_the_invoice(simulator: Any) -> None:
    """All notes and refunds together never exceed the total; a voided note does not count."""
    api = simulator.api
    invoice = await _invoice(simulator, 1000, paid=True)
    charge = (await api.charges.list_async()).data[0]
    refund = await api.refunds.create_async({"charge": charge.id, "amount": 300})
    await api.credit_notes.create_async(
        {"invoice": invoice.id, "amount": 500, "out_of_band_amount": 500}
    )
    for amount in (201, 500):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            await api.credit_notes.create_async(
                {"invoice": invoice.id, "amount": amount, "out_of_band_amount": amount}
            )
        assert "amount" == refusal.value.param
    linked = await api.credit_notes.create_async(
        {"invoice": invoice.id, "amount": 500, "out_of_band_amount": 200,
         "refunds": [{"refund": refund.id, "amount_refunded": 300}]}
    )  # fmt: skip
    listed = await api.credit_notes.list_async({"invoice": invoice.id})

    assert [500, 500] == [note.total for note in listed.data]
    assert [f"{invoice.number}-CN-02", f"{invoice.number}-CN-01"] == [
        note.number for note in listed.data
    ]
    assert refund.id == linked.refunds[0].refund


async def test_taxes_and_discounts_go_back_with_their_lines(simulator: Any) -> None:
    """Crediting a line in parts gives back exactly its discount and its tax."""
    api = simulator.api
    rate = await api.tax_rates.create_async(
        {"display_name": "VAT", "inclusive": False, "percentage": "8.875"}
    )
    await api.coupons.create_async({"id": "c", "percent_off": 7})
    invoice = await _invoice(
        simulator, 999, 333, default_tax_rates=[rate.id], discounts=[{"coupon": "c"}]
    )
    totals, taxes = 0, 0
    for line in invoice.lines.data:
        for amount in (100, line.amount - 100):
            note = await api.credit_notes.create_async(
                {
                    "invoice": invoice.id,
                    "lines": [
                        {
                            "type": "invoice_line_item",
                            "invoice_line_item": line.id,
                            "amount": amount,
                        }
                    ],
                }
            )
            totals += note.total
            taxes += note.total_taxes[0].amount
    after = await api.invoices.retrieve_async(invoice.id)

    assert (invoice.total, invoice.total_taxes[0].amount) == (totals, taxes)
    assert ("paid", 0) == (after.status, after.amount_remaining)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "amount"),
        ({"amount": 1, "lines": [{"type": "custom_line_item"}]}, "amount"),
        ({"amount": 1001}, "amount"),
        ({"lines": [{"type": "invoice_line_item"}]}, "lines[0][invoice_line_item]"),
        ({"lines": [{"type": "invoice_line_item", "invoice_line_item": "il_x", "amount": 1}]},
         "lines[0][invoice_line_item]"),
        ({"lines": [{"type": "custom_line_item", "description": "x"}]}, "lines[0][unit_amount]"),
        ({"lines": [{"type": "custom_line_item", "amount": 1}]}, "lines[0][amount]"),
        ({"lines": [{"type": "custom_line_item", "description": "x", "unit_amount": 1001}]},
         "lines"),
        ({"amount": 1, "credit_amount": 1}, "credit_amount"),
        ({"amount": 1, "shipping_cost": {"shipping_rate": "s"}}, "shipping_cost"),
        ({"amount": 1, "nonsense": 1}, "nonsense"),
    ],
)  # fmt: skip
async def test_bad_notes_are_named(simulator: Any, params: dict[str, Any], param: str) -> None:
    """A note names its amount once, in lines of this invoice, within what is left."""
    invoice = await _invoice(simulator, 1000)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.credit_notes.create_async({"invoice": invoice.id, **params})

    assert param == refusal.value.param


async def test_only_documents_are_credited(simulator: Any) -> None:
    """A draft and a void invoice have nothing to credit; automatic tax takes no custom line."""
    api = simulator.api
    draft = await simulator.draft()
    void = await _invoice(simulator, 1000)
    await api.invoices.void_invoice_async(void.id)
    customer = await api.customers.create_async({"address": {"country": "DE"}})
    taxed = await _invoice(simulator, 1000, customer=customer.id, automatic_tax={"enabled": True})
    custom = {"lines": [{"type": "custom_line_item", "description": "x", "unit_amount": 1}]}
    for params in (
        {"invoice": draft.id, "amount": 1},
        {"invoice": void.id, "amount": 1},
        {"invoice": taxed.id, **custom},
    ):
        with pytest.raises(stripe.InvalidRequestError):
            await api.credit_notes.create_async(params)
    # The amount of a line is without tax where tax is automatic.
    line = taxed.lines.data[0].id
    given = {"type": "invoice_line_item", "invoice_line_item": line, "amount": 1000}
    note = await api.credit_notes.create_async({"invoice": taxed.id, "lines": [given]})
    assert (1190, 1000) == (note.total, note.total_excluding_tax)


async def test_a_note_is_a_document_with_lines_and_a_pdf(simulator: Any) -> None:
    """Lines are listed, the memo can be changed, the PDF names its number."""
    api = simulator.api
    invoice = await _invoice(simulator, 1000)
    custom = {"type": "custom_line_item", "description": "Goodwill", "unit_amount": 50}
    note = await api.credit_notes.create_async(
        {"invoice": invoice.id, "lines": [custom | {"quantity": 2}]}
    )
    changed = await api.credit_notes.update_async(note.id, {"memo": "with regards"})
    lines = await api.credit_notes.line_items.list_async(note.id)
    previewed = await api.credit_notes.preview_lines.list_async(
        {"invoice": invoice.id, "lines": [custom]}
    )
    pdf = await simulator.http.get(note.pdf)

    assert ("with regards", [("Goodwill", 100)], [50]) == (
        changed.memo, [(line.description, line.amount) for line in lines.data],
        [line.amount for line in previewed.data],
    )  # fmt: skip
    assert note.number.encode() in pdf.content
    assert ["credit_note.created", "credit_note.updated"] == await simulator.events(
        "credit_note.created", "credit_note.updated"
    )


async def test_tax_amounts_of_a_note_name_the_rates_of_the_invoice(simulator: Any) -> None:
    """They stand in place of the line's share; only rates that were made for amounts are good."""
    api = simulator.api
    data = {"display_name": "VAT", "inclusive": False, "percentage": "19"}
    tax = {"amount": 190, "taxable_amount": 1000, "tax_rate_data": data}
    draft = await simulator.draft()
    await api.invoices.add_lines_async(
        draft.id, {"lines": [{"amount": 1000, "tax_amounts": [tax]}]}
    )
    final = await api.invoices.finalize_invoice_async(draft.id)
    (line,) = final.lines.data
    manual = await api.tax_rates.create_async(data)

    def params(rate: str) -> Any:
        credited = {"amount": 96, "taxable_amount": 500, "tax_rate": rate}
        one = {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 500}
        return {"invoice": final.id, "lines": [one | {"tax_amounts": [credited]}]}

    rate = line.taxes[0].tax_rate_details.tax_rate
    note = await api.credit_notes.create_async(params(rate))
    refusals = []
    for other in (manual.id, "txr_none"):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            await api.credit_notes.create_async(params(other))
        refusals.append(refusal.value.param)

    assert (500, 596) == (note.total_excluding_tax, note.total)
    assert ["lines[0][tax_amounts][0][tax_rate]"] * 2 == refusals
