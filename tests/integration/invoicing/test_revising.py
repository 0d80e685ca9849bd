"""Replacing an issued invoice: never two at once at Stripe, nothing lost, whatever dies when."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from babel import Locale

from services.invoicing import stripe_gateway
from services.invoicing.documents.layout import lay_out
from services.invoicing.documents.locales import Speech
from services.invoicing.documents.reading import read_statement
from services.invoicing.stripe_gateway import StripeGateway
from tests.support.killing import Killed, KillingStripe

STRIPE_KEY = "sk_test_invoicing"


@pytest.fixture(name="sent")
async def _sent(world: Any, statement: Any) -> Any:
    invoice = await world.draft(statement(("a", "50"), ("b", "0.005"), total="50.005"))
    await world.sync().sync_due()
    return await world.read(invoice)


async def _order(api: Any, invoice: Any, **body: Any) -> Any:
    path = f"/v1/invoices/{invoice.invoice_id}/revise"
    return await api.http.post(path, json=body, headers=await api.key("billing:write"))


async def _shown(api: Any, invoice_id: str) -> Any:
    path = f"/v1/invoices/{invoice_id}"
    return (await api.http.get(path, headers=await api.key("billing:read"))).json()


async def _settle(world: Any, stripe: Any = None) -> None:
    """Run both loops until nothing is due, as the service does."""
    for _ in range(4):
        await world.corrections(stripe).sync_due()
        await world.sync(stripe).sync_due()
        world.clock.advance(timedelta(seconds=5))


async def _replaced(world: Any, api: Any, sent: Any) -> Any:
    """Check that the old one is void, that one new one is open, and return the new one."""
    old = await _shown(api, sent.invoice_id)
    new = await _shown(api, old["revised_by"])
    at_stripe = {one["id"]: one for one in await world.simulator.invoices()}
    open_ones = [one for one in at_stripe.values() if one["status"] != "void"]

    assert ("void", "revised", 1) == (old["state"], old["reason"], old["revision"])
    assert "void" == at_stripe[sent.stripe_invoice_id]["status"]
    assert ("sent", 2, sent.invoice_id) == (new["state"], new["revision"], new["revises"])
    assert [(new["stripe_invoice_id"], "open")] == [(one["id"], one["status"]) for one in open_ones]
    assert new["number"] != old["number"]
    assert f"{sent.invoice_key[:-1]}2" == new["invoice_key"]
    happened = [one["type"] for one in (await world.simulator.get("/v1/events", limit=100))["data"]]
    assert ["invoice.finalized", "invoice.voided", "invoice.finalized"] == [
        one for one in happened if one in ("invoice.finalized", "invoice.voided")
    ]
    return new


async def test_a_revision_replaces_its_invoice(world: Any, api: Any, sent: Any) -> None:
    """The same statement, another number, the tenant as it is now; others hear why it was void."""
    await world.add_tenant(
        legal_name="Acme GmbH", purchase_order="PO-7", address={"country": "DE", "city": "Bonn"}
    )
    answer = await _order(api, sent)
    await _settle(world)

    new = await _replaced(world, api, sent)
    observed = await world.simulator.get(f"/v1/invoices/{new['stripe_invoice_id']}")
    customer = await world.simulator.get(f"/v1/customers/{observed['customer']}")
    assert (202, "pending", None) == (
        answer.status_code,
        answer.json()["state"],
        answer.json()["revised_by"],
    )
    assert (sent.statement_id, sent.total_exact) == (new["statement_id"], new["total_exact"])
    assert ["draft", "issued", "sent", "void"] == await world.messages(sent)
    assert "PO-7" in str(observed["custom_fields"])
    assert ("Acme GmbH", "Bonn") == (customer["name"], customer["address"]["city"])


async def test_its_document_names_what_it_replaces(world: Any, api: Any, sent: Any) -> None:
    """Who holds both papers sees which one is void."""
    await _order(api, sent)
    await _settle(world)
    new = await world.read_by_id((await _shown(api, sent.invoice_id))["revised_by"])

    async with world.database.transaction() as connection:
        second, first = [
            await read_statement(connection, await world.read(one)) for one in (new, sent)
        ]

    facts = dict(lay_out(second, Speech(Locale("en"), second.currency))["facts"])
    assert (first.invoice.number, None) == (second.revises, first.revises)
    assert first.invoice.number == facts["Replaces invoice"].replace("\u200b", "")


async def test_details_and_steps_are_the_statements(world: Any, api: Any, statement: Any) -> None:
    """Every line, detail and description of the new invoice is that of the old one."""
    line = {
        "line_key": "in",
        "charge": "in",
        "model": "per_unit",
        "description": "Input",
        "quantity": "1000",
        "unit": "tokens",
        "amount_exact": "50",
        "steps": [{"step": "price", "description": "1000 x 0.05", "amount_exact": "50"}],
        "details": [
            {
                "agent": f"agent-{number}",
                "model": "gpt-5",
                "kind": "output_text",
                "usage_day": "2026-01-05",
                "quantity": "500",
                "amount_exact": "25",
            }
            for number in range(2)
        ],
    }
    old = await world.draft(statement(total="50", lines=[line]))
    await world.sync().sync_due()
    old = await world.read(old)
    await _order(api, old)
    await _settle(world)

    new = await _replaced(world, api, old)
    query = (
        "select line.*, detail.agent, detail.kind, detail.amount_exact as part "
        "from invoicing.invoice_line line join invoicing.invoice_line_detail detail "
        "on detail.invoice_id = line.invoice_id and detail.line_position = line.position "
        "where line.invoice_id = :i order by agent"
    )
    rows = [await world.rows(query, i=one) for one in (old.invoice_id, new["invoice_id"])]
    before, after = ([[*row[:3], *row[4:]] for row in found] for found in rows)
    assert before == after
    assert 2 == len(before)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "step", ["void_invoice", "create_invoice", "add_lines", "set_number", "finalize_invoice"]
)
async def test_a_crash_anywhere_leaves_one_valid_invoice(
    world: Any, api: Any, sent: Any, *, step: str, moment: str
) -> None:
    """Killed before or after a call, and begun again: one void, one open, and never two open."""
    await _order(api, sent)
    killing = KillingStripe(world.gateway, step, moment)

    with pytest.raises(Killed):
        await _settle(world, killing)
    valid = [one for one in await world.simulator.invoices() if one["status"] == "open"]
    await _settle(world)

    assert len(valid) <= 1
    await _replaced(world, api, sent)


async def test_stripes_webhook_may_record_the_void_first(world: Any, api: Any, sent: Any) -> None:
    """Who dies behind the call leaves the void to the event: the new one is drafted with it."""
    await _order(api, sent)
    with pytest.raises(Killed):
        await world.corrections(KillingStripe(world.gateway, "void_invoice", "after")).sync_due()
    (event,) = (await world.simulator.get("/v1/events", type="invoice.voided"))["data"]
    assert 200 == (await api.deliver(event)).status_code
    await world.webhooks().process_due()
    (draft,) = [row[0] for row in await world.rows(_DRAFTS, v=world.vendor_id)]
    await _settle(world)

    new = await _replaced(world, api, sent)
    assert draft == new["invoice_id"]
    assert "done" == (await _order(api, sent)).json()["state"]


_DRAFTS = "select invoice_id from invoicing.invoice where vendor_id = :v and state = 'draft'"


@pytest.fixture(name="impatient")
async def _impatient(world: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StripeGateway]:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    gateway = StripeGateway(STRIPE_KEY, api_base=world.simulator.url, sleep=asyncio.sleep)
    yield gateway
    await gateway.close()


@pytest.mark.parametrize(
    "fault", ["commit_then_drop", "drop_before_commit", "commit_then_500", "fail_after_start"]
)
async def test_lost_answers_change_nothing_in_the_end(
    world: Any, api: Any, sent: Any, impatient: StripeGateway, fault: str
) -> None:
    """The new one waits until the void is known, however its answer was lost."""
    await _order(api, sent)
    await world.simulator.fault(fault, "/v1/invoices/*/void")

    await _settle(world, impatient)

    await _replaced(world, api, sent)


async def test_the_same_order_twice_is_one(world: Any, api: Any, sent: Any) -> None:
    """Pending or done, it is the order that is there; the new invoice is revised by its own id."""
    states = [(await _order(api, sent)).json()["state"] for _ in range(2)]
    await _settle(world)
    again = (await _order(api, sent)).json()
    await _settle(world)

    new = await _replaced(world, api, sent)
    path = f"/v1/invoices/{sent.invoice_id}/revision"
    read = await api.http.get(path, headers=await api.key("billing:read"))
    assert ["pending", "pending", "done"] == [*states, again["state"]]
    assert new["invoice_id"] == again["revised_by"]
    assert again == read.json()


async def test_a_revision_can_be_revised(world: Any, api: Any, sent: Any) -> None:
    """The third invoice replaces the second one; both before it are void."""
    await _order(api, sent)
    await _settle(world)
    second = await world.read_by_id((await _shown(api, sent.invoice_id))["revised_by"])
    await _order(api, second)
    await _settle(world)

    third = await _shown(api, (await _shown(api, second.invoice_id))["revised_by"])
    statuses = [one["status"] for one in await world.simulator.invoices()]
    assert ("sent", 3, second.invoice_id) == (
        third["state"],
        third["revision"],
        third["revises"],
    )
    assert ["open", "void", "void"] == sorted(statuses)


async def test_coupons_are_those_that_are_valid_now(world: Any, api: Any, sent: Any) -> None:
    """A coupon that was forgotten stands on the revision, also one for a single invoice."""
    body = {
        "tenant": "acme",
        "coupon_id": "sorry",
        "name": "Sorry",
        "percent": "10",
        "first_period": "2026-01-01",
        "invoices_max": 1,
    }
    made = await api.http.post("/v1/coupons", json=body, headers=await api.key("billing:write"))
    assert made.is_success, made.text
    await _order(api, sent)
    await _settle(world)

    new = await _replaced(world, api, sent)
    assert ("45.0045", 4500) == (new["total_exact"], new["total_minor"])


async def test_a_used_coupon_goes_over_to_the_revision(
    world: Any, api: Any, statement: Any
) -> None:
    """A coupon for one invoice was used by the void one only: the revision has it again."""
    body = {
        "tenant": "acme",
        "coupon_id": "once",
        "name": "Once",
        "percent": "50",
        "first_period": "2026-01-01",
        "invoices_max": 1,
    }
    await api.http.post("/v1/coupons", json=body, headers=await api.key("billing:write"))
    old = await world.draft(statement(("a", "50"), total="50"))
    await world.sync().sync_due()
    old = await world.read(old)
    await _order(api, old)
    await _settle(world)

    assert 2500 == (await _replaced(world, api, old))["total_minor"]


async def test_what_was_carried_over_goes_on(world: Any, api: Any, statement: Any) -> None:
    """The revision takes over what the void one gives back: once, and nothing is left open."""
    await world.draft(statement(("a", "-3.004"), total="-3.004", sequence=1))
    old = await world.draft(statement(("a", "10"), total="10", sequence=2, statement_id="st-2"))
    await world.sync().sync_due()
    old = await world.read(old)
    await _order(api, old)
    await _settle(world)

    new = await _replaced(world, api, old)
    rows = await world.rows(
        "select into_invoice_id from invoicing.carry_over where vendor_id = :v", v=world.vendor_id
    )
    assert (700, "6.996") == (new["total_minor"], new["total_exact"])
    assert [new["invoice_id"]] == [row.into_invoice_id for row in rows]


async def test_prepaid_credits_stay_on_it(world: Any, api: Any, statement: Any) -> None:
    """What credits paid of the statement, they pay of its revision."""
    credit = {"grant_id": "g", "line_key": "a", "amount_exact": "20", "tax": "at_use"}
    old = await world.draft(statement(("a", "50"), total="50", credits=[credit]))
    await world.sync().sync_due()
    old = await world.read(old)
    await _order(api, old)
    await _settle(world)

    new = await _replaced(world, api, old)
    assert 3000 == new["total_minor"]
    assert [("a", 5000), ("~credits", -2000)] == [
        (line["line_key"], line["amount_minor"]) for line in new["lines"]
    ]


async def _manual(world: Any, api: Any) -> Any:
    lines = [{"description": "Workshop", "quantity": "2", "amount": "1800"}]
    body = {"tenant_id": "acme", "currency": "USD", "lines": lines}
    headers = await api.key("billing:write") | {"Idempotency-Key": "one"}
    made = (await api.http.post("/v1/invoices", json=body, headers=headers)).json()
    await world.sync().sync_due()
    return await world.read_by_id(made["invoice_id"])


@pytest.mark.parametrize(
    ("lines", "total"),
    [(None, 180000), ([{"description": "Workshop", "quantity": "1", "amount": "900.5"}], 90050)],
)
async def test_a_one_off_invoice_takes_other_lines(
    world: Any, api: Any, *, lines: Any, total: int
) -> None:
    """It is replaced as it is, or by the lines that are given."""
    old = await _manual(world, api)
    answer = await _order(api, old, lines=lines)
    await _settle(world)

    assert 202 == answer.status_code
    new = await _replaced(world, api, old)
    assert (total, old.statement_id) == (new["total_minor"], new["statement_id"])
    repeated = await _order(api, old, lines=[{"description": "Other", "amount": "1"}])
    assert (409, "revision_differs") == (repeated.status_code, repeated.json()["code"])


async def test_what_cannot_be_revised_is_refused_before_anything_is_void(
    world: Any, api: Any, sent: Any, statement: Any
) -> None:
    """Each refusal has its code, and no order is left behind."""
    draft = await world.draft(statement(("a", "5"), total="5", sequence=2, statement_id="st-2"))
    manual_lines = [{"description": "x", "amount": "1"}]
    below = [{"description": "x", "amount": "-1"}]
    answers = [
        await _order(api, draft),
        await _order(api, sent, lines=manual_lines),
        await _order(api, await _manual(world, api), lines=below),
        await _order(api, sent, lines=[]),
    ]
    tenant = await api.key("billing:write", tenant_id="acme")
    foreign = await api.http.post(f"/v1/invoices/{sent.invoice_id}/revise", headers=tenant)
    unknown = await api.http.get(
        f"/v1/invoices/{sent.invoice_id}/revision", headers=await api.key("billing:read")
    )

    assert [
        "invoice_not_issued",
        "invalid_revision",
        "invalid_invoice",
        "invalid_request",
    ] == [one.json()["code"] for one in answers]
    assert (403, 404) == (foreign.status_code, unknown.status_code)
    assert [] == await world.rows(
        "select 1 from invoicing.invoice_action where vendor_id = :v", v=world.vendor_id
    )


async def test_orders_that_exclude_one_another(world: Any, api: Any, sent: Any) -> None:
    """While a revision is under way nothing else is ordered; a credited invoice is not revised."""
    await _order(api, sent)
    key = await api.key("billing:write")
    path = f"/v1/invoices/{sent.invoice_id}"
    note = {"full": True, "settlement": "refund"}
    refused = [
        await api.http.post(f"{path}/void", headers=key),
        await api.http.post(f"{path}/mark-uncollectible", headers=key),
        await api.http.post(
            f"{path}/credit-notes", json=note, headers=key | {"Idempotency-Key": "n"}
        ),
    ]
    assert {"invoice_being_revised"} == {one.json()["code"] for one in refused}
    await _settle(world)
    new = await world.read_by_id((await _replaced(world, api, sent))["invoice_id"])
    note = {"amount": "1", "settlement": "refund"}
    await api.http.post(
        f"/v1/invoices/{new.invoice_id}/credit-notes",
        json=note,
        headers=key | {"Idempotency-Key": "m"},
    )

    assert "invoice_has_credit_notes" == (await _order(api, new)).json()["code"]


async def test_a_void_that_is_ordered_first_wins(world: Any, api: Any, sent: Any) -> None:
    """An invoice that is being voided is not revised."""
    await api.http.post(
        f"/v1/invoices/{sent.invoice_id}/void", headers=await api.key("billing:write")
    )

    assert "invoice_being_voided" == (await _order(api, sent)).json()["code"]


async def test_a_refused_revision_leaves_the_invoice_as_it_is(
    world: Any, api: Any, sent: Any
) -> None:
    """A partly paid invoice cannot be voided: no new one is made, and a person is told."""
    body = {"invoice": sent.stripe_invoice_id, "amount": 100}
    (await world.simulator.http.post("/_sim/payments", json=body)).raise_for_status()
    await _order(api, sent)
    await _settle(world)

    (item,) = (await api.http.get("/v1/attention", headers=await api.key())).json()["items"]
    assert ("refused_correction", f"/v1/invoices/{sent.invoice_id}/revise") == (
        item["kind"],
        item["action"]["path"],
    )
    assert 1 == len(await world.simulator.invoices())
    assert "sent" == (await _shown(api, sent.invoice_id))["state"]
