"""Events and how they reach the receiver."""

import json
from typing import Any

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# The SDK hands httpx its form in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")

SECRET = "whsec_test"


class Receiver:
    """Keeps what it is sent; refuses the first `refusals` deliveries with 503."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.received: list[tuple[bytes, str]] = []
        self.app = Starlette(routes=[Route("/hook", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        body = await request.body()
        if self.refusals:
            self.refusals -= 1
            return Response(status_code=503)
        self.received.append((body, request.headers["stripe-signature"]))
        return Response(status_code=204)

    def types(self) -> set[str]:
        return {json.loads(body)["type"] for body, _ in self.received}


async def test_events_are_signed_and_delivered(run: Any, serve: Any, until: Any) -> None:
    """Each event reaches the receiver with a signature over its raw body."""
    receiver = Receiver()
    async with (
        serve(receiver.app) as hook,
        run(webhook_url=f"{hook}/hook", webhook_secret=SECRET) as simulator,
    ):
        invoice = await simulator.open_invoice()
        await simulator.api.invoices.send_invoice_async(invoice.id)
        await simulator.api.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
        expected = {
            "customer.created", "invoice.created", "invoice.updated", "invoice.finalized",
            "invoice.sent", "invoice.paid", "invoice.payment_succeeded",
        }  # fmt: skip

        async def complete() -> bool:
            return receiver.types() == expected

        await until(complete)
        now = int(simulator.clock.now().timestamp())

    for body, header in receiver.received:
        forged = stripe.WebhookSignature.generate_signature_header(body.decode(), "other", now)
        right = stripe.WebhookSignature.generate_signature_header(body.decode(), SECRET, now)
        assert right == header
        assert forged != header


async def test_a_refusing_receiver_gets_the_event_later(run: Any, serve: Any, until: Any) -> None:
    """Deliveries that fail are tried again until they arrive."""
    receiver = Receiver(refusals=2)
    async with (
        serve(receiver.app) as hook,
        run(webhook_url=f"{hook}/hook", webhook_secret=SECRET) as simulator,
    ):
        await simulator.draft()

        async def complete() -> bool:
            return receiver.types() == {"customer.created", "invoice.created"}

        await until(complete)

    assert 0 == receiver.refusals


async def test_queue_survives_a_restart(run: Any, serve: Any, until: Any, tmp_path: Any) -> None:
    """What the receiver's absence left in the queue goes out after a restart."""
    path = tmp_path / "stripe.sqlite"
    receiver = Receiver()
    async with run(
        state_path=path, webhook_url="http://127.0.0.1:1/hook", webhook_secret=SECRET
    ) as absent:
        await absent.api.customers.create_async({"name": "A"})
    async with (
        serve(receiver.app) as hook,
        run(state_path=path, webhook_url=f"{hook}/hook", webhook_secret=SECRET),
    ):

        async def complete() -> bool:
            return receiver.types() == {"customer.created"}

        await until(complete)

    assert 1 == len(receiver.received)


async def test_events_are_listed_by_type(simulator: Any) -> None:
    """The list of events holds a snapshot of the object and the request's key."""
    made = await simulator.api.customers.create_async({"name": "A"}, {"idempotency_key": "k"})
    await simulator.draft()
    listed = await simulator.api.events.list_async({"type": "customer.created", "limit": 1})
    rest = [event async for event in listed.auto_paging_iter()]
    event = await simulator.api.events.retrieve_async(rest[-1].id)

    assert 2 == len(rest)
    assert (made.id, "k") == (event.data.object.id, event.request.idempotency_key)
