"""Voiding and giving up an issued invoice: once at Stripe, whatever dies when."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.invoicing import stripe_gateway
from services.invoicing.stripe_gateway import StripeGateway
from services.invoicing.stripe_types import OutcomeUnknown
from tests.support.killing import Killed, KillingStripe

STRIPE_KEY = "sk_test_invoicing"
ACTIONS = [
    ("void", "void_invoice", "void", "invoice.voided"),
    ("mark-uncollectible", "mark_uncollectible", "uncollectible", "invoice.marked_uncollectible"),
]


@pytest.fixture(name="sent")
async def _sent(world: Any, statement: Any) -> Any:
    invoice = await world.draft(statement(("a", "50"), total="50"))
    await world.sync().sync_due()
    return await world.read(invoice)


async def _order(api: Any, invoice: Any, route: str) -> Any:
    path = f"/v1/invoices/{invoice.invoice_id}/{route}"
    return await api.http.post(path, headers=await api.key("billing:write"))


async def _check_once(world: Any, invoice: Any, state: str, event: str) -> None:
    assert (state, None) == await world.state(invoice)
    assert ["draft", "issued", "sent", state] == await world.messages(invoice)
    assert 1 == await world.simulator.created(event)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("route", "step", "state", "event"), ACTIONS)
async def test_a_crash_around_the_call_leaves_one_outcome(
    world: Any, api: Any, sent: Any, *, route: str, step: str, state: str, event: str, moment: str
) -> None:
    """The order is a row before the call: whoever comes next brings it to its end."""
    assert 202 == (await _order(api, sent, route)).status_code

    with pytest.raises(Killed):
        await world.corrections(KillingStripe(world.gateway, step, moment)).sync_due()
    await world.corrections().sync_due()

    await _check_once(world, sent, state, event)
    assert 0 == await world.corrections().sync_due()


@pytest.fixture(name="impatient")
async def _impatient(world: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StripeGateway]:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    gateway = StripeGateway(STRIPE_KEY, api_base=world.simulator.url, sleep=asyncio.sleep)
    yield gateway
    await gateway.close()


@pytest.mark.parametrize(
    "fault", ["commit_then_drop", "drop_before_commit", "commit_then_500", "fail_after_start"]
)
@pytest.mark.parametrize(("route", "step", "state", "event"), ACTIONS)
async def test_lost_answers_change_nothing_in_the_end(
    world: Any,
    api: Any,
    sent: Any,
    impatient: StripeGateway,
    *,
    route: str,
    step: str,
    state: str,
    event: str,
    fault: str,
) -> None:
    """An unknown outcome is sent again under its key, or looked for."""
    del step
    await _order(api, sent, route)
    path = "void" if route == "void" else "mark_uncollectible"
    await world.simulator.fault(fault, f"/v1/invoices/*/{path}")

    for _ in range(3):
        await world.corrections(impatient).sync_due()
        world.clock.advance(timedelta(seconds=5))

    await _check_once(world, sent, state, event)


async def test_the_same_order_twice_is_one(world: Any, api: Any, sent: Any) -> None:
    """Whoever asks again gets the order that is there, also when it is done."""
    first = (await _order(api, sent, "void")).json()
    second = (await _order(api, sent, "void")).json()
    await world.corrections().sync_due()
    third = (await _order(api, sent, "void")).json()

    assert ["pending", "pending", "done"] == [one["state"] for one in (first, second, third)]
    await _check_once(world, sent, "void", "invoice.voided")


async def test_what_was_voided_in_the_dashboard_is_voided(world: Any, api: Any, sent: Any) -> None:
    """Stripe refuses to void a void invoice: that is what was wanted."""
    await _order(api, sent, "void")
    await world.simulator.post(f"/v1/invoices/{sent.stripe_invoice_id}/void")

    await world.corrections().sync_due()

    await _check_once(world, sent, "void", "invoice.voided")


async def test_a_refused_order_waits_for_a_person_and_can_be_repeated(
    world: Any, api: Any, sent: Any
) -> None:
    """A partly paid invoice cannot be voided; the refusal is told, with its action."""
    body = {"invoice": sent.stripe_invoice_id, "amount": 100}
    (await world.simulator.http.post("/_sim/payments", json=body)).raise_for_status()
    await _order(api, sent, "void")
    await world.corrections().sync_due()

    (item,) = (await api.http.get("/v1/attention", headers=await api.key())).json()["items"]
    again = await _order(api, sent, "void")

    assert "refused_correction" == item["kind"]
    assert item["reason"].startswith("void:stripe_")
    assert f"/v1/invoices/{sent.invoice_id}/void" == item["action"]["path"]
    assert "pending" == again.json()["state"]
    assert ("sent", None) == await world.state(sent)


async def test_an_order_that_keeps_failing_is_told(world: Any, api: Any, sent: Any) -> None:
    """Nobody refuses it, and it never gets done: after a quarter of an hour a person hears."""
    await _order(api, sent, "void")
    for attempt in range(10):
        before = await api.http.get("/v1/attention", headers=await api.key())
        await world.corrections(Unreachable()).sync_due()
        world.clock.advance(timedelta(seconds=2**attempt))

    items = (await api.http.get("/v1/attention", headers=await api.key())).json()["items"]

    assert [] == before.json()["items"]
    assert [("backing_off_correction", "void:failing")] == [
        (one["code"], one["reason"]) for one in items
    ]


class Unreachable:
    """A Stripe that answers nothing."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*_arguments: Any, **_named: Any) -> None:
            raise OutcomeUnknown("timeout")

        return fail


async def test_only_issued_unpaid_invoices_take_orders(
    world: Any, api: Any, statement: Any
) -> None:
    """A draft and a paid invoice are refused, with a code that says which."""
    draft = await world.draft(statement(("a", "50"), total="50"))
    early = await _order(api, draft, "void")
    await world.sync().sync_due()
    await world.corrections().sync_due()
    await world.simulator.post(
        f"/v1/invoices/{(await world.read(draft)).stripe_invoice_id}/pay", paid_out_of_band="true"
    )
    await _order(api, draft, "void")
    await world.corrections().sync_due()

    assert (409, "invoice_not_issued") == (early.status_code, early.json()["code"])
    items = (await api.http.get("/v1/attention", headers=await api.key())).json()["items"]
    assert ["refused_correction"] == [one["kind"] for one in items]


async def test_a_tenants_key_and_a_reader_order_nothing(world: Any, api: Any, sent: Any) -> None:
    """Only the vendor, with the scope to write, voids."""
    path = f"/v1/invoices/{sent.invoice_id}/void"
    tenant = await api.http.post(path, headers=await api.key("billing:write", tenant_id="acme"))
    reader = await api.http.post(path, headers=await api.key("billing:read"))

    assert [403, 403] == [tenant.status_code, reader.status_code]
