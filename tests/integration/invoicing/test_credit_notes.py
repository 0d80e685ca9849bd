"""Credit notes: never more than the invoice, made once at Stripe, whatever dies when."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.invoicing import stripe_gateway
from services.invoicing.domain.numbering import credit_note_number
from services.invoicing.stripe_gateway import StripeGateway
from shared.ids import new_id
from tests.support.killing import Killed, KillingStripe

STRIPE_KEY = "sk_test_invoicing"


@pytest.fixture(name="sent")
async def _sent(world: Any, statement: Any) -> Any:
    invoice = await world.draft(statement(("a", "30"), ("b", "20"), total="50"))
    await world.sync().sync_due()
    return await world.read(invoice)


async def _order(api: Any, invoice: Any, key: str | None = None, **body: Any) -> Any:
    headers = await api.key("billing:write", "billing:read")
    headers["Idempotency-Key"] = key or new_id()
    path = f"/v1/invoices/{invoice.invoice_id}/credit-notes"
    return await api.http.post(path, headers=headers, json={"settlement": "out_of_band"} | body)


async def _read(api: Any, note: Any) -> Any:
    path = f"/v1/credit-notes/{note['credit_note_id']}"
    return (await api.http.get(path, headers=await api.key("billing:read"))).json()


async def _made(world: Any, invoice: Any) -> list[Any]:
    found = await world.simulator.get("/v1/credit_notes", invoice=invoice.stripe_invoice_id)
    return list(found["data"])


async def _pay(world: Any, invoice: Any, amount: int) -> None:
    body = {"invoice": invoice.stripe_invoice_id, "amount": amount}
    (await world.simulator.http.post("/_sim/payments", json=body)).raise_for_status()


@pytest.mark.parametrize(
    ("body", "total", "state"),
    [
        ({"full": True}, 5000, "paid"),
        ({"amount": "12.34"}, 1234, "sent"),
        ({"lines": [{"line_key": "b", "amount": "7.5"}]}, 750, "sent"),
        (
            {"lines": [{"line_key": "a", "amount": "30"}, {"line_key": "b", "amount": "20"}]},
            5000,
            "paid",
        ),
    ],
)
async def test_an_unpaid_invoice_goes_down(
    world: Any, api: Any, sent: Any, *, body: Any, total: int, state: str
) -> None:
    """Nothing is paid back of what nobody paid; what is credited in full is settled."""
    ordered = await _order(api, sent, **body)
    await world.corrections().sync_due()

    note = await _read(api, ordered.json())
    (theirs,) = await _made(world, sent)
    assert (202, "pending") == (ordered.status_code, ordered.json()["state"])
    assert ("issued", total, total, 0) == (
        note["state"],
        note["total_minor"],
        note["pre_payment_minor"],
        note["post_payment_minor"],
    )
    assert (theirs["id"], total) == (note["stripe_credit_note_id"], theirs["total"])
    assert note["number"] == theirs["memo"] == credit_note_number(world.vendor_id, 1)
    assert (state, None) == await world.state(sent)
    assert "credited" == (await world.messages(sent))[-1]


@pytest.mark.parametrize(
    ("settlement", "refunded", "balance"),
    [("balance", 0, -2000), ("refund", 2000, 0), ("out_of_band", 0, 0)],
)
async def test_what_is_paid_goes_back_in_the_way_that_was_named(
    world: Any, api: Any, sent: Any, *, settlement: str, refunded: int, balance: int
) -> None:
    """First what is open goes down, the rest is paid back to the unit."""
    await _pay(world, sent, 4000)
    ordered = await _order(api, sent, amount="30", settlement=settlement)
    await world.corrections().sync_due()

    note = await _read(api, ordered.json())
    (charge,) = (await world.simulator.get("/v1/charges"))["data"]
    (customer,) = (await world.simulator.get("/v1/customers"))["data"]
    assert ("issued", 1000, 2000) == (
        note["state"],
        note["pre_payment_minor"],
        note["post_payment_minor"],
    )
    assert (refunded, balance) == (charge["amount_refunded"], customer["balance"])
    assert ("paid", None) == await world.state(sent)


STEP = "create_credit_note"


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_around_the_call_leaves_one_note(
    world: Any, api: Any, sent: Any, moment: str
) -> None:
    """The note and its number are rows before the call: whoever comes next ends it."""
    ordered = await _order(api, sent, amount="10")

    with pytest.raises(Killed):
        await world.corrections(KillingStripe(world.gateway, STEP, moment)).sync_due()
    await world.corrections().sync_due()

    assert 1 == len(await _made(world, sent))
    note = await _read(api, ordered.json())
    assert ("issued", 1000) == (note["state"], note["total_minor"])
    assert ["credited"] == [one for one in await world.messages(sent) if one == "credited"]


@pytest.fixture(name="impatient")
async def _impatient(world: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StripeGateway]:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    gateway = StripeGateway(STRIPE_KEY, api_base=world.simulator.url, sleep=asyncio.sleep)
    yield gateway
    await gateway.close()


@pytest.mark.parametrize("pause", [timedelta(seconds=5), timedelta(hours=25)])
@pytest.mark.parametrize(
    "fault", ["commit_then_drop", "drop_before_commit", "commit_then_500", "fail_after_start"]
)
async def test_lost_answers_leave_one_note(
    world: Any, api: Any, sent: Any, impatient: StripeGateway, *, fault: str, pause: timedelta
) -> None:
    """An unknown outcome is sent again under its key, or looked for when that is too old."""
    ordered = await _order(api, sent, amount="10")
    await world.simulator.fault(fault, "/v1/credit_notes")

    for _ in range(3):
        await world.corrections(impatient).sync_due()
        world.clock.advance(pause)

    assert 1 == len(await _made(world, sent))
    assert "issued" == (await _read(api, ordered.json()))["state"]


async def test_notes_never_exceed_the_invoice(world: Any, api: Any, sent: Any) -> None:
    """What is ordered counts at once, issued or not; lines have their own bound."""
    first = await _order(api, sent, amount="30")
    too_much = await _order(api, sent, amount="20.01")
    line = await _order(api, sent, lines=[{"line_key": "b", "amount": "20"}])
    again = await _order(api, sent, lines=[{"line_key": "b", "amount": "0.01"}])
    nothing_left = await _order(api, sent, full=True)
    await world.corrections().sync_due()

    assert [202, 202] == [first.status_code, line.status_code]
    assert [
        ("credit_exceeds_invoice", "amount"),
        ("credit_exceeds_line", "lines[0].amount"),
        ("credit_exceeds_invoice", "full"),
    ] == [
        (fault["code"], fault["path"])
        for one in (too_much, again, nothing_left)
        for fault in one.json()["faults"]
    ]
    assert ("paid", None) == await world.state(sent)
    numbers = [(await _read(api, one.json()))["number"][-6:] for one in (first, line)]
    assert ["000001", "000002"] == sorted(numbers)


async def test_the_same_key_makes_one_note(world: Any, api: Any, sent: Any) -> None:
    """Twice the same request is one note; the key with another body is a conflict."""
    one = await _order(api, sent, "k-1", amount="10")
    same = await _order(api, sent, "k-1", amount="10")
    other = await _order(api, sent, "k-1", amount="11")

    assert one.json()["credit_note_id"] == same.json()["credit_note_id"]
    assert (409, "idempotency_key_reused") == (other.status_code, other.json()["code"])
    await world.corrections().sync_due()
    assert 1 == len(await _made(world, sent))


async def test_a_note_that_stripe_refuses_waits_and_goes_on(
    world: Any, api: Any, sent: Any
) -> None:
    """A refund without a charge is refused: a person sees it, and it can be given up."""
    path = f"/v1/invoices/{sent.stripe_invoice_id}/pay"
    await world.simulator.post(path, paid_out_of_band="true")
    ordered = (await _order(api, sent, amount="10", settlement="refund")).json()
    await world.corrections().sync_due()

    headers = await api.key()
    items = (await api.http.get("/v1/attention", headers=headers)).json()["items"]
    route = f"/v1/credit-notes/{ordered['credit_note_id']}"
    retried = await api.http.post(f"{route}/retry", headers=headers)
    await world.corrections().sync_due()
    cancelled = await api.http.post(f"{route}/cancel", headers=headers)
    other = await _order(api, sent, full=True)
    await world.corrections().sync_due()

    assert ["parked_credit_note"] == [one["kind"] for one in items]
    assert f"{route}/retry" == items[0]["action"]["path"]
    assert ("pending", "cancelled") == (retried.json()["state"], cancelled.json()["state"])
    note = await _read(api, other.json())
    assert ("issued", 5000) == (note["state"], note["total_minor"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"full": True, "amount": "1"},
        {"amount": "0"},
        {"amount": "1.001"},
        {"amount": "-1"},
        {"amount": 1},
        {"lines": [{"line_key": "zzz", "amount": "1"}]},
        {"lines": [{"line_key": "a", "amount": "1"}, {"line_key": "a", "amount": "1"}]},
        {"full": True, "settlement": "cash"},
    ],
)
async def test_bad_notes_are_refused_with_their_place(api: Any, sent: Any, body: Any) -> None:
    """Bad input is told with a code and a path, never a 500, and makes nothing."""
    answer = await _order(api, sent, **body)

    assert answer.status_code in (400, 422)
    assert answer.json()["faults"]


async def test_notes_are_listed_and_kept_apart(world: Any, api: Any, sent: Any) -> None:
    """A tenant sees its own; another tenant's key finds nothing."""
    ordered = (await _order(api, sent, amount="10")).json()
    await world.add_tenant("other")
    own, other = await api.key(tenant_id="acme"), await api.key(tenant_id="other")

    seen = (await api.http.get("/v1/credit-notes", headers=own)).json()["credit_notes"]
    unseen = (await api.http.get("/v1/credit-notes", headers=other)).json()["credit_notes"]
    path = f"/v1/credit-notes/{ordered['credit_note_id']}"

    assert [ordered["credit_note_id"]] == [one["credit_note_id"] for one in seen]
    assert [] == unseen
    assert 404 == (await api.http.get(path, headers=other)).status_code


async def test_an_issued_note_never_changes(world: Any, api: Any, sent: Any) -> None:
    """The database refuses to change or delete what was issued."""
    await _order(api, sent, amount="10")
    await world.corrections().sync_due()

    for change in (
        "update invoicing.credit_note set net_minor = 1",
        "delete from invoicing.credit_note",
    ):
        with pytest.raises(Exception, match="credit note"):
            await world.rows(f"{change} returning 1")


async def test_credit_to_the_balance_pays_the_next_invoice(
    world: Any, api: Any, sent: Any, statement: Any
) -> None:
    """The balance is ours, so the gate lets the next invoice pass, and Stripe takes it off."""
    await _pay(world, sent, 5000)
    await _order(api, sent, amount="10", settlement="balance")
    await world.corrections().sync_due()
    values = {"sequence": 2, "statement_id": "st-2"}
    following = await world.draft(statement(("a", "50"), total="50", **values))

    await world.sync().sync_due()

    assert ("sent", None) == await world.state(following)
    identity = (await world.read(following)).stripe_invoice_id
    theirs = await world.simulator.get(f"/v1/invoices/{identity}")
    assert (5000, 4000) == (theirs["total"], theirs["amount_due"])


async def test_a_balance_of_somebody_else_still_parks(
    world: Any, api: Any, sent: Any, statement: Any
) -> None:
    """Beside our credit there is one that a person gave at Stripe: nobody knows what for."""
    await _pay(world, sent, 5000)
    await _order(api, sent, amount="10", settlement="balance")
    await world.corrections().sync_due()
    (customer,) = (await world.simulator.get("/v1/customers"))["data"]
    path = f"/v1/customers/{customer['id']}/balance_transactions"
    await world.simulator.post(path, amount=-300, currency="usd")
    values = {"sequence": 2, "statement_id": "st-2"}
    following = await world.draft(statement(("a", "50"), total="50", **values))

    await world.sync().sync_due()

    assert ("parked", "customer_balance") == await world.state(following)
