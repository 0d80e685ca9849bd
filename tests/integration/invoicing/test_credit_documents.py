"""What the customer gets of a credit note: a PDF, a signed link, a place in every list."""

from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from pypdf import PdfReader

from shared.ids import new_id
from tests.support import focus_spec

from .test_focus_export import _rows

JANUARY = "/v1/focus?month=2026-01"


@pytest.fixture(name="sent")
async def _sent(world: Any, statement: Any) -> Any:
    invoice = await world.draft(statement(("a", "30.004"), ("b", "20"), total="50.004"))
    await world.sync().sync_due()
    return await world.read(invoice)


async def _credit(world: Any, api: Any, sent: Any, **body: Any) -> Any:
    headers = await api.key("billing:write") | {"Idempotency-Key": new_id()}
    path = f"/v1/invoices/{sent.invoice_id}/credit-notes"
    body = {"settlement": "refund"} | body
    made = await api.http.post(path, headers=headers, json=body)
    assert 202 == made.status_code, made.text
    await world.corrections().sync_due()
    path = f"/v1/credit-notes/{made.json()['credit_note_id']}"
    return (await api.http.get(path, headers=await api.key("billing:read"))).json()


async def _pay(world: Any, sent: Any, amount: int) -> None:
    body = {"invoice": sent.stripe_invoice_id, "amount": amount}
    (await world.simulator.http.post("/_sim/payments", json=body)).raise_for_status()


def _text(content: bytes) -> str:
    words = " ".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages)
    return " ".join(words.split())


async def test_a_note_is_a_document(world: Any, api: Any, sent: Any) -> None:
    """It names its number, its invoice, the lines, the amounts and where they go."""
    await _pay(world, sent, 4600)
    note = await _credit(
        world, api, sent, lines=[{"line_key": "b", "amount": "12.34"}], memo="Outage of 12 November"
    )
    path = f"/v1/credit-notes/{note['credit_note_id']}/document"
    answer = await api.http.get(path, headers=await api.key("billing:read", tenant_id="acme"))
    german = await api.http.get(
        path, params={"locale": "de"}, headers=await api.key("billing:read")
    )

    words = _text(answer.content)
    assert ("application/pdf", "private, no-store") == (
        answer.headers["content-type"],
        answer.headers["cache-control"],
    )
    for wanted in (
        "Credit note",
        note["number"],
        sent.number,
        "Tokens of b",
        "Outage of 12 November",
        "$12.34",
        "Off what is left to pay of the invoice $4.00",
        "Paid back on your means of payment $8.34",
    ):
        assert wanted in words
    assert "12,34" in _text(german.content)


async def test_a_signed_link_leads_to_it(world: Any, api: Any, sent: Any) -> None:
    """Without a key, until it expires or is changed; a statement's link does not fit."""
    note = await _credit(world, api, sent, full=True)
    headers = await api.key("billing:read")
    path = f"/v1/credit-notes/{note['credit_note_id']}"
    made = await api.http.post(f"{path}/links", json={"expires_in_days": 1}, headers=headers)
    url = urlsplit(made.json()["url"])

    opened = await api.http.get(f"{url.path}?{url.query}")
    again = await api.http.get(f"{path}/document", headers=headers)
    forged = await api.http.get(f"{url.path}?{url.query[:-1]}")
    other = await api.http.get(f"{url.path.replace('credit-note', 'statement')}?{url.query}")
    world.clock.advance(timedelta(days=2))
    late = await api.http.get(f"{url.path}?{url.query}", headers={"Accept": "text/html"})

    assert (200, again.content) == (opened.status_code, opened.content)
    assert [403, 403] == [forged.status_code, other.status_code]
    assert (410, True) == (late.status_code, "expired" in late.text)


async def test_all_documents_of_an_invoice_are_listed(world: Any, api: Any, sent: Any) -> None:
    """The statement in its forms, then each issued note; every link opens."""
    notes = [await _credit(world, api, sent, amount=one) for one in ("1", "2.5")]
    path = f"/v1/invoices/{sent.invoice_id}/documents"
    listed = await api.http.get(path, headers=await api.key("billing:read", tenant_id="acme"))

    documents = listed.json()["documents"]
    assert [
        ("usage_statement", sent.number, None, "pdf"),
        ("usage_statement", sent.number, None, "csv"),
        ("usage_statement", sent.number, None, "parquet"),
        *(("credit_note", one["number"], one["credit_note_id"], "pdf") for one in notes),
    ] == [
        tuple(one[key] for key in ("kind", "name", "credit_note_id", "format")) for one in documents
    ]
    for one in documents:
        url = urlsplit(one["url"])
        assert 200 == (await api.http.get(f"{url.path}?{url.query}")).status_code


async def test_who_may_not_see_a_note(world: Any, api: Any, sent: Any) -> None:
    """Another tenant's is unknown; one that is not issued has no document yet."""
    note = await _credit(world, api, sent, amount="1")
    path = f"/v1/credit-notes/{note['credit_note_id']}"
    await world.add_tenant("globex")
    stranger = await api.key("billing:read", tenant_id="globex")
    foreign = [
        await api.http.get(f"{path}/document", headers=stranger),
        await api.http.post(f"{path}/links", json={}, headers=stranger),
        await api.http.get(f"/v1/invoices/{sent.invoice_id}/documents", headers=stranger),
    ]
    headers = await api.key("billing:write", "billing:read") | {"Idempotency-Key": new_id()}
    pending = await api.http.post(
        f"/v1/invoices/{sent.invoice_id}/credit-notes",
        headers=headers,
        json={"amount": "1", "settlement": "refund"},
    )
    waiting = f"/v1/credit-notes/{pending.json()['credit_note_id']}"
    early = [
        await api.http.get(f"{waiting}/document", headers=headers),
        await api.http.post(f"{waiting}/links", json={}, headers=headers),
    ]

    assert [404, 404, 404] == [one.status_code for one in foreign]
    assert ["credit_note_not_issued"] * 2 == [one.json()["code"] for one in early]


@pytest.mark.parametrize(
    ("bodies", "credited"),
    [
        ([{"amount": "12.34"}], 1234),
        ([{"lines": [{"line_key": "a", "amount": "3"}, {"line_key": "b", "amount": "1"}]}], 400),
        ([{"amount": "1"}, {"lines": [{"line_key": "b", "amount": "2"}]}, {"full": True}], 5000),
    ],
)
async def test_focus_sums_to_invoices_less_their_notes(
    world: Any, api: Any, sent: Any, *, bodies: Any, credited: int
) -> None:
    """BilledCost of the month is what is asked for it; each note has rows of its own."""
    notes = [await _credit(world, api, sent, **body) for body in bodies]
    answer = await api.http.get(JANUARY, headers=await api.key("billing:read"))

    rows = _rows(answer.text)
    corrections = [row for row in rows if row["ChargeClass"] == "Correction"]
    assert sent.total_minor - credited == 100 * sum(Decimal(row["BilledCost"]) for row in rows)
    assert {one["number"] for one in notes} == {row["InvoiceId"] for row in corrections}
    assert {"Credit"} == {row["ChargeCategory"] for row in corrections}
    assert [] == [fault for row in rows for fault in focus_spec.faults_of(row)]


async def test_notes_of_other_months_and_void_invoices_are_not_in_focus(
    world: Any, api: Any, sent: Any
) -> None:
    """A note stands with its invoice: where that is not exported, neither is the note."""
    await _credit(world, api, sent, amount="1")
    february = await api.http.get("/v1/focus?month=2026-02", headers=await api.key())
    await world.simulator.post(f"/v1/invoices/{sent.stripe_invoice_id}/void")
    for event in (await world.simulator.get("/v1/events", limit=100))["data"]:
        await api.deliver(event)
    await world.webhooks().process_due()
    january = await api.http.get(JANUARY, headers=await api.key())

    assert ("void", []) == ((await world.read(sent)).state, _rows(january.text))
    assert [] == _rows(february.text)
