"""What invoicing does with invoices, through the real SDK."""

from typing import Any

import pytest
import stripe

# The SDK hands httpx its form in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")


async def test_whole_flow_of_a_usage_invoice(simulator: Any) -> None:
    """A draft with lines is numbered, finalized, sent and paid, with exact totals."""
    api = simulator.api.invoices
    draft = await simulator.draft(metadata={"invoice_key": "k"}, description="November")
    lines = [
        {
            "amount": amount,
            "description": f"line {amount}",
            "metadata": {"line_key": str(amount)},
            "period": {"start": 1_698_796_800, "end": 1_701_388_799},
            "quantity": 1,
        }
        for amount in (1999, 1, -500)
    ]
    await api.add_lines_async(draft.id, {"lines": lines})
    await api.update_async(draft.id, {"number": "TR-000001"})
    await api.finalize_invoice_async(draft.id, {"auto_advance": False})
    await api.send_invoice_async(draft.id)
    paid = await api.pay_async(draft.id, {"paid_out_of_band": True})

    assert ("paid", 1500, 1500, 1500, 0) == (
        paid.status, paid.total, paid.total_excluding_tax, paid.amount_paid, paid.amount_remaining,
    )  # fmt: skip
    assert ("TR-000001", "k") == (paid.number, paid.metadata["invoice_key"])
    assert [1999, 1, -500] == [line.amount for line in paid.lines.data]


async def test_page_addresses_appear_at_finalization(simulator: Any) -> None:
    """A draft has no hosted page; a finalized invoice has one that names its number."""
    draft = await simulator.draft()
    await simulator.api.invoices.add_lines_async(
        draft.id, {"lines": [{"amount": 1234, "description": "<b>tokens</b>"}]}
    )
    final = await simulator.api.invoices.finalize_invoice_async(draft.id)
    page = await simulator.http.get(final.hosted_invoice_url)
    printed = await simulator.http.get(final.invoice_pdf)

    assert (None, None) == (draft.hosted_invoice_url, draft.invoice_pdf)
    assert {200} == {page.status_code, printed.status_code}
    assert all(text in page.text for text in (final.number, "$12.34", "Acme", "Print view"))
    assert "&lt;b&gt;tokens" in page.text
    assert "application/pdf" == printed.headers["content-type"]
    assert printed.content.startswith(b"%PDF-1.4")
    assert all(text.encode() in printed.content for text in (final.number, "$12.34", "Acme"))


async def test_unknown_and_expired_pages(simulator: Any) -> None:
    """A guessed address is not found, one that is 61 days old has expired."""
    final = await simulator.open_invoice()
    await simulator.http.post("/_sim/clock", json={"advance_s": 61 * 86_400})

    assert 404 == (await simulator.http.get("/invoice/guess")).status_code
    assert 410 == (await simulator.http.get(final.hosted_invoice_url)).status_code


async def test_total_of_zero_is_paid_at_once(simulator: Any) -> None:
    """Nothing to pay means paid at finalization."""
    final = await simulator.open_invoice(0)

    assert "paid" == final.status


async def test_lines_beyond_ten_are_listed_by_page(simulator: Any) -> None:
    """The invoice embeds ten lines; the rest comes in pages, in the order of creation."""
    draft = await simulator.draft()
    lines = [{"amount": index} for index in range(25)]
    embedded = await simulator.api.invoices.add_lines_async(draft.id, {"lines": lines})
    first = await simulator.api.invoices.line_items.list_async(draft.id, {"limit": 20})
    listed = [line.amount async for line in first.auto_paging_iter()]

    assert (10, True) == (len(embedded.lines.data), embedded.lines.has_more)
    assert list(range(25)) == listed


async def test_more_than_250_lines_are_refused_whole(simulator: Any) -> None:
    """The 251st line is refused and nothing of its request is kept."""
    draft = await simulator.draft()
    await simulator.api.invoices.add_lines_async(draft.id, {"lines": [{"amount": 1}] * 200})
    with pytest.raises(stripe.InvalidRequestError):
        await simulator.api.invoices.add_lines_async(draft.id, {"lines": [{"amount": 1}] * 51})
    invoice = await simulator.api.invoices.retrieve_async(draft.id)

    assert (200, 200) == (invoice.total, invoice.lines.total_count)


async def test_list_filters_by_customer_and_time(simulator: Any) -> None:
    """A customer's invoices since a time are listed newest first, other customers' never."""
    old = await simulator.draft()
    await simulator.http.post("/_sim/clock", json={"advance_s": 100})
    new = await simulator.api.invoices.create_async({"customer": old.customer})
    await simulator.draft()
    since = {"customer": old.customer, "created": {"gte": old.created + 1}}

    everything = await simulator.api.invoices.list_async({"customer": old.customer, "limit": 100})
    recent = await simulator.api.invoices.list_async(since)

    assert [new.id, old.id] == [one.id for one in everything.data]
    assert [new.id] == [one.id for one in recent.data]


async def test_numbers_are_unique_in_an_account(simulator: Any) -> None:
    """A number in use is refused for a second invoice and allowed for its own."""
    first, second = await simulator.draft(number="TR-1"), await simulator.draft()
    await simulator.api.invoices.update_async(first.id, {"number": "TR-1"})
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.invoices.update_async(second.id, {"number": "TR-1"})

    assert "number" == refusal.value.param


async def test_accounts_do_not_see_each_other(simulator: Any) -> None:
    """Another key is another account: its look-up of a foreign invoice finds nothing."""
    draft = await simulator.draft()
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.invoices.retrieve_async(draft.id, options={"api_key": "sk_test_other"})

    assert ("resource_missing", 404) == (refusal.value.code, refusal.value.http_status)


@pytest.mark.parametrize(
    ("state", "refused"),
    [
        ("draft", ["void", "pay", "mark_uncollectible"]),
        ("open", ["finalize", "add_lines", "delete", "update"]),
        ("paid", ["finalize", "pay", "void", "mark_uncollectible", "delete", "update"]),
        ("void", ["finalize", "pay", "void", "send", "mark_uncollectible", "delete", "update"]),
        ("uncollectible", ["finalize", "send", "mark_uncollectible", "delete", "update"]),
    ],
)
async def test_state_machine_refuses(simulator: Any, state: str, refused: list[str]) -> None:
    """Each state refuses every transition that is not drawn, with a code."""
    invoice = await simulator.draft() if state == "draft" else await simulator.open_invoice()
    api = simulator.api.invoices
    calls = {
        "add_lines": lambda: api.add_lines_async(invoice.id, {"lines": [{"amount": 1}]}),
        "delete": lambda: api.delete_async(invoice.id),
        "finalize": lambda: api.finalize_invoice_async(invoice.id),
        "mark_uncollectible": lambda: api.mark_uncollectible_async(invoice.id),
        "pay": lambda: api.pay_async(invoice.id, {"paid_out_of_band": True}),
        "send": lambda: api.send_invoice_async(invoice.id),
        "update": lambda: api.update_async(invoice.id, {"description": "new"}),
        "void": lambda: api.void_invoice_async(invoice.id),
    }
    into = {"paid": "pay", "void": "void", "uncollectible": "mark_uncollectible"}.get(state)
    if into is not None:
        await calls[into]()

    for name in refused:
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            await calls[name]()
        assert "invoice_not_editable" == refusal.value.code, name


async def test_uncollectible_may_still_be_paid(simulator: Any) -> None:
    """An invoice given up can be paid after all."""
    invoice = await simulator.open_invoice()
    await simulator.api.invoices.mark_uncollectible_async(invoice.id)
    paid = await simulator.api.invoices.pay_async(invoice.id, {"payment_method": "pm_card_visa"})

    assert "paid" == paid.status


async def test_declined_card_leaves_the_invoice_open(simulator: Any) -> None:
    """A decline is 402 and changes no status."""
    invoice = await simulator.open_invoice()
    with pytest.raises(stripe.CardError):
        await simulator.api.invoices.pay_async(
            invoice.id, {"payment_method": "pm_card_chargeDeclined"}
        )
    after = await simulator.api.invoices.retrieve_async(invoice.id)

    assert ("open", 1, 1000) == (after.status, after.attempt_count, after.amount_remaining)


async def test_deleted_draft_is_gone(simulator: Any) -> None:
    """A deleted draft answers with its id and is found no more."""
    draft = await simulator.draft()
    gone = await simulator.api.invoices.delete_async(draft.id)
    with pytest.raises(stripe.InvalidRequestError):
        await simulator.api.invoices.retrieve_async(draft.id)

    assert (draft.id, True) == (gone.id, gone.deleted)


async def test_customers_are_updated_and_listed(simulator: Any) -> None:
    """An update merges metadata, an empty string unsets, the list filters by e-mail."""
    made = await simulator.api.customers.create_async(
        {"name": "Acme", "email": "a@acme.example", "metadata": {"tenant_id": "acme", "x": "1"}}
    )
    await simulator.api.customers.create_async({"email": "other@acme.example"})
    changed = await simulator.api.customers.update_async(
        made.id, {"name": "Acme Ltd", "metadata": {"x": ""}, "address": {"country": "IE"}}
    )
    found = await simulator.api.customers.list_async({"email": "a@acme.example"})

    assert ("Acme Ltd", {"tenant_id": "acme"}, 0) == (
        changed.name, changed.metadata.to_dict(), changed.balance,
    )  # fmt: skip
    assert [made.id] == [customer.id for customer in found.data]
