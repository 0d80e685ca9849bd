"""Events and how they reach the receiver."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.local.stripe_simulator.delivery_client import DeliveryClient

# The SDK hands httpx its form in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")

SECRET = "whsec_test"


class Receiver:
    """Keeps what it is sent; refuses the first `refusals` deliveries with 503."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.received: list[tuple[bytes, str | None]] = []
        self.refused_count = 0
        self.app = Starlette(routes=[Route("/hook", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        body = await request.body()
        if self.refusals:
            self.refusals -= 1
            self.refused_count += 1
            return Response(status_code=503)
        self.received.append((body, request.headers.get("stripe-signature")))
        return Response(status_code=204)

    def has(self, count: int) -> Callable[[], Awaitable[bool]]:
        async def arrived() -> bool:
            return len(self.received) >= count

        return arrived

    def refused(self, count: int) -> Callable[[], Awaitable[bool]]:
        async def tried() -> bool:
            return self.refused_count >= count

        return tried

    def ids(self) -> set[str]:
        return {json.loads(body)["id"] for body, _ in self.received}

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


async def test_every_secret_signs(run: Any, serve: Any, until: Any) -> None:
    """While secrets rotate there is a signature for each; a replaced one no longer signs."""
    receiver = Receiver()
    async with (
        serve(receiver.app) as hook,
        run(webhook_url=f"{hook}/hook", webhook_secret=("whsec_a", "whsec_b")) as simulator,
    ):
        await simulator.api.customers.create_async({"name": "A"})
        await until(receiver.has(1))
        plan = {"secrets": {"fixed_0": ["whsec_c"]}, "timestamp_offset_s": -600}
        await simulator.http.post("/_sim/webhooks", json=plan)
        await simulator.api.customers.create_async({"name": "B"})
        await until(receiver.has(2))
        now = int(simulator.clock.now().timestamp())

    (first, both), (second, rotated) = receiver.received
    for secret in ("whsec_a", "whsec_b"):
        assert stripe.Webhook.construct_event(first, both, secret, tolerance=10**9)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(second, rotated, secret, tolerance=10**9)
    assert str(rotated).startswith(f"t={now - 600},v1=")


@pytest.mark.parametrize("signature", ["wrong", "missing"])
async def test_bad_signatures_are_sent_on_request(
    run: Any, serve: Any, until: Any, signature: str
) -> None:
    """A delivery can be signed by nobody's secret, or not at all."""
    receiver = Receiver()
    async with (
        serve(receiver.app) as hook,
        run(webhook_url=f"{hook}/hook", webhook_secret=SECRET) as simulator,
    ):
        await simulator.http.post("/_sim/webhooks", json={"signature": signature})
        await simulator.api.customers.create_async({"name": "A"})
        await until(receiver.has(1))

    body, header = receiver.received[0]
    assert (signature == "missing") == (header is None)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, header or "", SECRET, tolerance=10**9)


async def test_deliveries_double_shuffle_and_get_lost(run: Any, serve: Any, until: Any) -> None:
    """With every fault of the way switched on, each event still arrives, some out of order."""
    receiver = Receiver()
    async with (
        serve(receiver.app) as hook,
        run(webhook_url=f"{hook}/hook", webhook_secret=SECRET) as simulator,
    ):
        plan = {"seed": 3, "duplicate": 0.5, "shuffle": 40, "drop_first": 1, "delay_ms": 1}
        await simulator.http.post("/_sim/webhooks", json=plan)
        for n in range(30):
            await simulator.api.customers.create_async({"name": str(n)})

        async def complete() -> bool:
            return len(receiver.ids()) == 30

        await until(complete)
        page = await simulator.api.events.list_async({"limit": 100})
        made = [event.id for event in reversed(page.data)]

    assert set(made) == receiver.ids()
    assert len(receiver.received) > 30
    assert made != [json.loads(body)["id"] for body, _ in receiver.received][:30]


async def test_real_retries_go_by_the_clock(run: Any, serve: Any, until: Any) -> None:
    """On Stripe's schedule a failed delivery waits for the clock, and ends after three days."""
    receiver = Receiver(refusals=10**9)
    async with (
        serve(receiver.app) as hook,
        run(webhook_url=f"{hook}/hook", webhook_secret=SECRET) as simulator,
    ):
        await simulator.settings(retries="stripe")
        await simulator.api.customers.create_async({"name": "A"})
        seen: list[int] = []
        waited = 0
        for seconds in (0, 60, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 24 * 3600):
            await simulator.advance(seconds)
            waited += seconds
            await until(receiver.refused(len(seen) + 1))
            seen.append(waited)

        async def given_up() -> bool:
            state = (await simulator.http.get("/_sim/state")).json()
            return bool(state["deliveries"] == {"failed": 1})

        await until(given_up)

    assert 2.9 * 86_400 < seen[-1] < 3 * 86_400 + 3600


async def test_endpoints_hear_what_they_asked_for(run: Any, serve: Any, until: Any) -> None:
    """An endpoint gets its types, signed with its own secret, until it is disabled."""
    receiver = Receiver()
    async with serve(receiver.app) as hook, run() as simulator:
        api = simulator.api.webhook_endpoints
        made = await api.create_async(
            {"url": f"{hook}/hook", "enabled_events": ["invoice.created"]}
        )
        await simulator.draft()
        await until(receiver.has(1))
        await api.update_async(made.id, {"disabled": True})
        await simulator.draft()
        await api.update_async(made.id, {"disabled": False, "enabled_events": ["*"]})
        await simulator.api.customers.create_async({"name": "B"})
        await until(receiver.has(2))
        shown = await api.retrieve_async(made.id)
        await api.delete_async(made.id)

    body, header = receiver.received[0]
    assert stripe.Webhook.construct_event(body, header, made.secret, tolerance=10**9)
    assert ["invoice.created", "customer.created"] == [
        json.loads(one)["type"] for one, _ in receiver.received
    ]
    assert "secret" not in shown


async def test_events_come_again_and_out_of_nowhere(run: Any, serve: Any, until: Any) -> None:
    """An event can be delivered again, with an older object in it, or about nothing known."""
    receiver = Receiver()
    async with (
        serve(receiver.app) as hook,
        run(webhook_url=f"{hook}/hook", webhook_secret=SECRET) as simulator,
    ):
        made = await simulator.api.customers.create_async({"name": "A"})
        await simulator.api.customers.update_async(made.id, {"name": "B"})
        await until(receiver.has(2))
        newer, older = [one.id for one in (await simulator.api.events.list_async()).data]
        again = {"event": newer, "object_of": older}
        (await simulator.http.post("/_sim/webhooks/send", json=again)).raise_for_status()
        await until(receiver.has(3))
        strange = {"type": "invoice.paid", "object": {"id": "in_unknown", "object": "invoice"}}
        (await simulator.http.post("/_sim/events", json=strange)).raise_for_status()
        await until(receiver.has(4))

    bodies = [json.loads(body) for body, _ in receiver.received]
    assert (newer, "A") == (bodies[2]["id"], bodies[2]["data"]["object"]["name"])
    assert ("invoice.paid", "in_unknown") == (bodies[3]["type"], bodies[3]["data"]["object"]["id"])


async def test_events_of_several_types(simulator: Any) -> None:
    """Several types are listed together by page; both parameters at once are refused."""
    for _ in range(3):
        await simulator.draft()
    wanted = {"types": ["invoice.created", "customer.created"], "limit": 2}
    page = await simulator.api.events.list_async(wanted)
    listed = [event.type async for event in page.auto_paging_iter()]
    with pytest.raises(stripe.InvalidRequestError):
        await simulator.api.events.list_async({"type": "a.b", "types": ["a.b"]})

    assert ["invoice.created", "customer.created"] * 3 == listed


async def test_delivery_survives_what_receivers_do() -> None:
    """A receiver that closes, answers garbage or never: failed; whole answers: by their status."""
    answers = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n",
        b"",  # closes the kept connection of the answer before: a new one is tried
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"nonsense\r\n\r\n",
    ]
    given = iter(answers)

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))
            answer = next(given)
            writer.write(answer)
            if b"content-length" not in answer:
                writer.close()
                return

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?x=1"
    client = DeliveryClient()
    found = [await client.post(url, b"body", {"X": "y"}) for _ in range(6)]
    client.close()
    server.close()
    gone = await client.post(url, b"body", {})
    malformed = await client.post("http://[nothing", b"", {})

    assert [True, True, True, False, True, False] == found
    assert (False, False) == (gone, malformed)
