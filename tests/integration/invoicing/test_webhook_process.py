"""Webhooks of the whole process: from Kafka to a receiver, and over its sudden death."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import httpx
import pytest

from shared.broker import create_producer
from shared.events.usage_aggregated import DaySealed
from shared.ids import new_id
from shared.outbox import Outgoing
from tests.support.database import TestDatabase
from tests.support.stack import StackAddress
from tests.support.webhook_receiver import Receiver, answer

SECRET_KEY = "a-secret-key-of-thirty-two-bytes-or-more"
PATIENCE_SECONDS = 120
TIMEOUT_SECONDS = 5


@pytest.fixture(name="environment")
def _environment(
    world: Any, database: TestDatabase, stack: StackAddress, simulator: Any
) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "TALLYROLL_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "TALLYROLL_SECRET_KEY": SECRET_KEY,
        "TALLYROLL_INVOICING_DATABASE_URL": database.urls["invoicing"],
        "TALLYROLL_INVOICING_PORT": str(port),
        "TALLYROLL_INVOICING_CONSUMER_GROUP": f"invoicing-{world.vendor_id}",
        "TALLYROLL_STRIPE_API_BASE": simulator.url,
        "STRIPE_API_KEY": "sk_test_invoicing",
        "TALLYROLL_WEBHOOK_ALLOW_LOOPBACK": "true",
        "TALLYROLL_WEBHOOK_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
    }


@asynccontextmanager
async def running(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Run the service until the end of the block, where it is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.invoicing", env={**os.environ, **environment}
    )
    url = f"http://127.0.0.1:{environment['TALLYROLL_INVOICING_PORT']}"
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            await _ready(http)
            yield http
    finally:
        process.kill()
        await process.wait()


async def _ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                if (await http.get("/health/ready")).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.1)


async def _publish(bootstrap: str, *outgoing: Outgoing, junk: bytes = b"") -> None:
    async with create_producer(bootstrap) as producer:
        for one in outgoing:
            row: Any = one.row()
            headers = [(name, value.encode()) for name, value in row["headers"].items()]
            payloads = [junk, row["payload"]] if junk else [row["payload"]]
            for payload in payloads:
                await producer.send_and_wait(row["topic"], payload, key=row["key"], headers=headers)


def _seal(world: Any, part: int) -> Outgoing:
    return Outgoing(
        DaySealed(
            vendor_id=world.vendor_id,
            mode="test",
            day=date(2026, 1, 31),
            first_day=date(2026, 1, 1),
            version=part,
            part=part,
            parts=3,
            recount="agreed",
            offsets={0: 7},
            tenants=[],
        )
    )


def _own(receiver: Receiver, secret: str) -> list[Any]:
    """Return what was told but of invoices that were not sent.

    Another process on the same Kafka makes an invoice of the same statement in a database where
    nobody knows the tenant, and parks it.
    """
    bodies = [one.verify(secret) for one in receiver.received]
    sent = {body["data"]["invoice_id"] for body in bodies if body["type"] == "invoice.sent"}
    return [body for body in bodies if body["data"].get("invoice_id") in {None, *sent}]


async def test_what_happens_reaches_the_vendor(
    api: Any, hooks: Any, statement: Any, environment: dict[str, str], receiver: Receiver
) -> None:
    """A statement, its invoice and a sealed day are told of, each once; junk is a dead letter."""
    made = statement(("a", "12.345"), total="12.345", subscription_id=new_id())
    world, headers = api.world, await api.key()
    kafka = environment["TALLYROLL_KAFKA_BOOTSTRAP"]
    async with running(environment) as http:
        body = {"url": receiver.url}
        endpoint = await http.put("/v1/webhook-endpoints/books", json=body, headers=headers)
        junk = f"{{{world.vendor_id}".encode()
        once = Outgoing(made)
        await _publish(kafka, once, once, junk=junk)
        await _publish(kafka, *(_seal(world, part) for part in (1, 2, 3)))
        secret = endpoint.json()["secret"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(bodies := _own(receiver, secret)) < 5:
                await receiver.until(len(receiver.received) + 1)

    told = sorted(body["type"] for body in bodies)
    assert [
        *("invoice.drafted", "invoice.issued", "invoice.sent"),
        *("statement.rated", "usage.sealed"),
    ] == told
    by_type = {body["type"]: body["data"] for body in bodies}
    assert ("12.345", "12.35") == (
        by_type["statement.rated"]["total_exact"],
        by_type["invoice.sent"]["total"],
    )
    letters = await world.rows(
        "select topic from invoicing.dead_letter where payload = :junk", junk=junk
    )
    assert {"statement.rated"} == {row.topic for row in letters}


async def test_a_killed_process_sends_again_under_the_same_id(
    api: Any, hooks: Any, environment: dict[str, str], receiver: Receiver
) -> None:
    """Killed while the receiver works on it: the next process delivers it after the lease."""
    headers = await api.key()
    receiver.hold = asyncio.Event()
    async with running(environment) as http:
        body = {"url": receiver.url}
        made = await http.put("/v1/webhook-endpoints/books", json=body, headers=headers)
        queued = await http.post("/v1/webhook-endpoints/books/test", headers=headers)
        await receiver.until(1)
    receiver.hold.set()
    async with running(environment) as http:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await receiver.until(2)
        path = f"/v1/webhook-endpoints/books/deliveries/{queued.json()['event_id']}"
        while (await http.get(path, headers=headers)).json()["state"] != "delivered":  # noqa: ASYNC110 - a remote condition
            await asyncio.sleep(0.05)
        shown = (await http.get(path, headers=headers)).json()

    assert [queued.json()["event_id"]] * 2 == [one.webhook_id for one in receiver.received]
    receiver.received[1].verify(made.json()["secret"])
    assert [None, 200] == [one["status"] for one in shown["attempt_log"]]


async def test_operators_see_and_replay(
    hooks: Any, environment: dict[str, str], receiver: Receiver
) -> None:
    """`tallyrollctl webhooks` lists endpoints and deliveries, and sends again what is dead."""
    receiver.answers = [answer(410)]
    await hooks.add(receiver.url)
    event_id = await hooks.happen()
    await hooks.send()
    vendor = ["--vendor", hooks.account.vendor_id]
    endpoint = [*vendor, "--endpoint", "books"]

    async def control(*arguments: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", "webhooks", *arguments),
            env={**os.environ, **environment, "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    listed = await control("endpoints", *vendor)
    dead = await control("deliveries", *endpoint, "--state", "dead")
    refused = await control("replay", *endpoint, "--event", str(event_id))
    await hooks.add(receiver.url, enabled=True)
    replayed = await control("replay", *endpoint, "--dead-since", "2020-01-01")
    unclear = await control("replay", *endpoint)
    await hooks.send(later=PATIENCE_SECONDS)  # the command has the machine's clock

    assert (0, True, True) == (listed[0], "books" in listed[1], "disabled" in listed[1])
    assert (0, True) == (dead[0], str(event_id) in dead[1])
    assert (1, True) == (refused[0], "webhook_endpoint_disabled" in refused[1])
    assert (0, "1 deliveries are due") == (replayed[0], replayed[1].strip())
    assert 2 == unclear[0]
    assert [event_id] * 2 == [one.webhook_id for one in receiver.received]
