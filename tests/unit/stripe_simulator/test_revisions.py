"""Revisions, numbers, and what happens to an invoice that is replaced."""

from typing import Any

import pytest
import stripe


async def test_a_revision_replaces_its_invoice(simulator: Any) -> None:
    """The copy starts as a draft; when it is finalized the original is void and names it."""
    api = simulator.api.invoices
    original = await simulator.open_invoice(1000, description="October", metadata={"a": "b"})
    params = {"from_invoice": {"action": "revision", "invoice": original.id}}
    draft = await api.create_async(params)
    still = await api.retrieve_async(original.id)
    line = draft.lines.data[0]
    await api.update_lines_async(draft.id, {"lines": [{"id": line.id, "amount": 900}]})
    final = await api.finalize_invoice_async(draft.id)
    replaced = await api.retrieve_async(original.id)

    assert ("draft", 1000, "October", None) == (
        draft.status, draft.total, draft.description, draft.number,
    )  # fmt: skip
    assert {"a": "b"} == draft.metadata.to_dict()
    assert ("open", None) == (still.status, still.latest_revision)
    assert (900, original.id) == (final.total, final.from_invoice.invoice)
    assert ("void", final.id) == (replaced.status, replaced.latest_revision)
    assert original.number != final.number


@pytest.mark.parametrize("state", ["draft", "paid", "void"])
async def test_only_open_invoices_are_revised(simulator: Any, state: str) -> None:
    """What is not issued, or done with, is not revised."""
    api = simulator.api.invoices
    invoice = await (simulator.draft() if state == "draft" else simulator.open_invoice())
    if state == "paid":
        await api.pay_async(invoice.id, {"paid_out_of_band": True})
    if state == "void":
        await api.void_invoice_async(invoice.id)
    with pytest.raises(stripe.InvalidRequestError):
        await api.create_async({"from_invoice": {"action": "revision", "invoice": invoice.id}})


@pytest.mark.parametrize("numbering", ["customer", "account"])
async def test_numbers_have_no_gaps(simulator: Any, numbering: str) -> None:
    """Numbers count up at finalization, by customer or over the account; drafts take none."""
    await simulator.settings(numbering=numbering)
    first = await simulator.open_invoice()
    draft = await simulator.draft(customer=first.customer)
    await simulator.api.invoices.delete_async(draft.id)
    second = await simulator.open_invoice(customer=first.customer)
    other = await simulator.open_invoice()

    counts = [int(one.number.rpartition("-")[2]) for one in (first, second, other)]
    assert ([1, 2, 1] if numbering == "customer" else [1, 2, 3]) == counts
