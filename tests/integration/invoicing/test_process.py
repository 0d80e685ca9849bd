"""The whole process on real Kafka: statements in, sent invoices and messages out."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from services.invoicing.domain.invoice_key import InvoiceKey
from shared.accounts.keys import Scope
from shared.broker import create_producer
from shared.events.invoice_changed import InvoiceChanged
from shared.ids import new_id
from shared.outbox import Outgoing
from shared.topics import INVOICE_CHANGED, STATEMENT_RATED
from tests.support.database import TestDatabase
from tests.support.stack import StackAddress

SECRET_KEY = "a-secret-key-of-thirty-two-bytes-or-more"
PATIENCE_SECONDS = 120


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _process(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.invoicing", env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _until(condition: Any) -> Any:
    """Wait until a remote condition gives something, and return that."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := await condition()):  # noqa: ASYNC110 - a remote condition
            await asyncio.sleep(0.1)
    return found


@pytest.fixture(name="environment")
def _environment(
    world: Any, database: TestDatabase, stack: StackAddress, simulator: Any
) -> dict[str, str]:
    return {
        "TALLYROLL_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "TALLYROLL_SECRET_KEY": SECRET_KEY,
        "TALLYROLL_INVOICING_DATABASE_URL": database.urls["invoicing"],
        "TALLYROLL_INVOICING_PORT": str(_free_port()),
        "TALLYROLL_INVOICING_CONSUMER_GROUP": f"invoicing-{world.vendor_id}",
        "TALLYROLL_STRIPE_API_BASE": simulator.url,
        "STRIPE_API_KEY": "sk_test_invoicing",
    }


async def _publish(bootstrap: str, *outgoing: Outgoing, junk: bytes = b"") -> None:
    producer = create_producer(bootstrap)
    await producer.start()
    try:
        for one in outgoing:
            row: Any = one.row()
            headers = [(name, value.encode()) for name, value in row["headers"].items()]
            if junk:
                await producer.send_and_wait(row["topic"], junk, key=row["key"], headers=headers)
            await producer.send_and_wait(
                row["topic"], row["payload"], key=row["key"], headers=headers
            )
    finally:
        await producer.stop()


async def _changes(bootstrap: str, invoice_id: str) -> list[str]:
    """Return the states of an invoice's messages on `invoice.changed`, until one says sent.

    Not of its vendor's: other processes on the same Kafka make invoices of the same statement.
    """
    consumer = AIOKafkaConsumer(
        INVOICE_CHANGED.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    states: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for record in consumer:
                message = InvoiceChanged.model_validate_json(record.value)
                if message.invoice_id == invoice_id:
                    states.append(message.state)
                if "sent" in states:
                    break
    finally:
        await consumer.stop()
    return states


async def test_statements_on_kafka_become_sent_invoices(
    world: Any, api: Any, statement: Any, environment: dict[str, str], stack: StackAddress
) -> None:
    """Junk blocks nothing, a statement that comes twice is one invoice, SIGTERM ends it well."""
    made = statement(("a", "12.345"), total="12.345", subscription_id=new_id())
    key = InvoiceKey(
        world.vendor_id, "test", "acme", made.subscription_id, "period", 1, made.period_start
    )
    junk = f"{{{world.vendor_id}".encode()
    headers = await api.key(Scope.BILLING_READ)
    url = f"http://127.0.0.1:{environment['TALLYROLL_INVOICING_PORT']}"
    await _publish(stack.kafka_bootstrap, Outgoing(made), Outgoing(made), junk=junk)

    async with _process(environment) as process, httpx.AsyncClient(trust_env=False) as http:

        async def sent() -> Any:
            try:
                answer = await http.get(f"{url}/v1/invoices?state=sent", headers=headers)
            except httpx.TransportError:
                return None
            return answer.json()["invoices"]

        (invoice,) = await _until(sent)
        ready = await http.get(f"{url}/health/ready")
        changes = await _changes(stack.kafka_bootstrap, invoice["invoice_id"])
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)

    assert (str(key), 1235) == (invoice["invoice_key"], invoice["stripe_total_minor"])
    assert (200, 0) == (ready.status_code, code)
    assert ["draft", "issued", "sent"] == changes
    letters = await world.rows(
        "select code from invoicing.dead_letter where payload = :junk", junk=junk
    )
    assert 2 == len(letters)
    assert STATEMENT_RATED.name == made.topic.name
