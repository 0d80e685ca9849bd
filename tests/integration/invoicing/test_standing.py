"""What became of an invoice's payments: seen, told once, the same in any order of events."""

import random
from datetime import timedelta
from typing import Any

import pytest

from services.invoicing.corrections.due import DueWatch
from services.invoicing.repository.standing import read_standing
from services.invoicing.webhooks import WebhookProcessor
from tests.support.killing import Killed, KillingStripe


@pytest.fixture(name="sent")
async def _sent(world: Any, statement: Any) -> Any:
    invoice = await world.draft(statement(("a", "50"), total="50"))
    await world.sync().sync_due()
    return await world.read(invoice)


async def _events(world: Any) -> list[Any]:
    found: list[Any] = (await world.simulator.get("/v1/events", limit=100))["data"]
    return found


async def _deliver(world: Any, api: Any, events: list[Any]) -> None:
    for event in events:
        assert 200 == (await api.deliver(event)).status_code
    processor = WebhookProcessor(world.database, world.sync().accounts, world.clock)
    while await processor.process_due():
        pass


async def _pay(world: Any, invoice: Any, amount: int, card: str = "pm_card_visa") -> None:
    body = {"invoice": invoice.stripe_invoice_id, "amount": amount, "card": card}
    (await world.simulator.http.post("/_sim/payments", json=body)).raise_for_status()


async def _partly_paid(world: Any, invoice: Any) -> None:
    await _pay(world, invoice, 2000)


async def _overdue(world: Any, _invoice: Any) -> None:
    world.clock.advance(timedelta(days=31))
    (await world.simulator.http.post("/_sim/clock", json={"advance_s": 0})).raise_for_status()


async def _payment_failed(world: Any, invoice: Any) -> None:
    path = f"/v1/invoices/{invoice.stripe_invoice_id}/pay"
    form = {"payment_method": "pm_card_chargeDeclined"}
    assert 402 == (await world.simulator.http.post(path, data=form)).status_code


async def _disputed(world: Any, invoice: Any) -> None:
    await _pay(world, invoice, 5000, "pm_card_createDispute")


async def _refunded(world: Any, invoice: Any) -> None:
    await _pay(world, invoice, 5000)
    (charge,) = (await world.simulator.get("/v1/charges"))["data"]
    await world.simulator.post("/v1/refunds", charge=charge["id"], amount=1000)


CASES = [
    (_partly_paid, "sent", {"partly_paid": None}, (2000, 3000, 0)),
    (_overdue, "sent", {"overdue": None}, (0, 5000, 0)),
    (_payment_failed, "sent", {"payment_failed": None}, (0, 5000, 0)),
    (_disputed, "paid", {"disputed": "needs_response"}, (5000, 0, 0)),
    (_refunded, "paid", {"refunded": "partial"}, (5000, 0, 1000)),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("happens", "state", "facts", "amounts"), CASES)
async def test_what_happens_at_stripe_is_seen_in_any_order(
    world: Any,
    api: Any,
    sent: Any,
    *,
    happens: Any,
    state: str,
    facts: Any,
    amounts: Any,
    seed: int,
) -> None:
    """State, facts, amounts and messages are the same, however the events arrive."""
    await happens(world, sent)
    deliveries = await _events(world) * 2
    random.Random(seed).shuffle(deliveries)  # noqa: S311 - a reproducible disorder

    await _deliver(world, api, deliveries)

    path = f"/v1/invoices/{sent.invoice_id}/standing"
    seen = (await api.http.get(path, headers=await api.key("billing:read"))).json()
    assert facts == seen["facts"]
    names = ("paid_minor", "remaining_minor", "refunded_minor")
    assert amounts == tuple(seen[name] for name in names)
    assert (state, None) == await world.state(sent)
    told = ["draft", "issued", "sent", *([state] if state != "sent" else []), *facts]
    assert told == await world.messages(sent)
    assert [*told[:1], "approved", *told[1:]] == [one["state"] for one in seen["history"]]


async def test_only_the_payments_event_is_enough(world: Any, api: Any, sent: Any) -> None:
    """A dispute names no invoice; it is found by the payment that it is about."""
    await _disputed(world, sent)
    events = [e for e in await _events(world) if e["type"] == "charge.dispute.created"]

    await _deliver(world, api, events)

    assert ("paid", None) == await world.state(sent)
    waiting = (await api.http.get("/v1/attention", headers=await api.key())).json()["items"]
    assert [("invoice_payment", "disputed:needs_response")] == [
        (one["kind"], one["reason"]) for one in waiting
    ]


async def test_a_dispute_that_is_won_waits_for_nobody(world: Any, api: Any, sent: Any) -> None:
    """The reason follows the dispute; each step is told once."""
    await _disputed(world, sent)
    await _deliver(world, api, await _events(world))
    (dispute,) = (await world.simulator.get("/v1/disputes"))["data"]
    won = {"evidence[uncategorized_text]": "winning_evidence"}
    await world.simulator.post(f"/v1/disputes/{dispute['id']}", **won)

    await _deliver(world, api, await _events(world))

    waiting = (await api.http.get("/v1/attention", headers=await api.key())).json()["items"]
    assert [] == waiting
    assert ["disputed", "disputed"] == (await world.messages(sent))[-2:]


async def test_events_about_strangers_change_nothing(world: Any, api: Any, sent: Any) -> None:
    """A payment of an invoice that is not ours is stored, and that is all."""
    customer = (await world.simulator.post("/v1/customers", name="Other"))["id"]
    other = await world.simulator.post(
        "/v1/invoices", customer=customer, collection_method="send_invoice", days_until_due=5
    )
    path = f"/v1/invoices/{other['id']}"
    lines = {"lines[0][amount]": 900}
    await world.simulator.post(f"{path}/add_lines", **lines)
    await world.simulator.post(f"{path}/finalize")
    body = {"invoice": other["id"], "amount": 900, "card": "pm_card_createDispute"}
    (await world.simulator.http.post("/_sim/payments", json=body)).raise_for_status()

    await _deliver(world, api, await _events(world))

    assert ("sent", None) == await world.state(sent)
    query = "select facts from invoicing.invoice_standing where vendor_id = :v"
    assert [{}] == [row.facts for row in await world.rows(query, v=world.vendor_id)]


async def test_a_failed_finalization_says_what_is_missing(
    world: Any, api: Any, statement: Any
) -> None:
    """Automatic tax without a place: the invoice waits, and both Stripe's reason and ours tell."""
    invoice = await world.draft(statement(("a", "50"), total="50"))
    stripe = KillingStripe(world.gateway, "finalize_invoice", "before")
    with pytest.raises(Killed):
        await world.sync(stripe).sync(world.account, invoice.invoice_id)
    path = f"/v1/invoices/{(await world.read(invoice)).stripe_invoice_id}"
    await world.simulator.post(path, **{"automatic_tax[enabled]": "true"})
    await world.sync().sync_due()

    await _deliver(world, api, await _events(world))

    reason = "customer_tax_location_invalid"
    items = (await api.http.get("/v1/attention", headers=await api.key())).json()["items"]
    assert {
        ("parked_invoice", f"stripe_{reason}"),
        ("invoice_payment", f"finalization_failed:{reason}"),
    } == {(one["kind"], one["reason"]) for one in items}
    assert ["parked", "finalization_failed"] == (await world.messages(invoice))[-2:]


async def test_what_is_not_paid_is_seen_without_any_event(world: Any, sent: Any) -> None:
    """An invoice past its due day is asked about by ourselves: at once, then once a day."""
    watch = DueWatch(world.database, world.sync().accounts, world.clock)
    assert 0 == await watch.look()

    await _overdue(world, sent)
    assert 1 == await watch.look()
    async with world.database.transaction() as connection:
        standing = await read_standing(connection, sent)
    assert standing is not None
    assert {"overdue": None} == standing.facts

    assert 0 == await watch.look()
    world.clock.advance(timedelta(days=1))
    assert 1 == await watch.look()
