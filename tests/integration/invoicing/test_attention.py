"""What waits for a person in invoicing, and in all services at once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.cli_attention import read_waiting
from services.invoicing.repository.messages import insert_dead_letter
from services.invoicing.waiting import FAILURES_MAX, list_attention
from services.metering.attention import Moment
from shared.accounts.repository import Account
from shared.database import Database
from shared.errors import TallyrollError
from tests.support.database import TestDatabase

AMOUNTS = (("a", "5"),)
DIFFERING = (
    "insert into metering.seal values (:vendor, 'test', '2026-01-31', '{}', 'differs', now())"
)
PARKED = (
    "insert into pricing.parked_tenant "
    "values (:vendor, 'test', 'acme', '2026-01-31', 'sums', '{}', '{}', now())"
)


async def _items(world: Any, account: Account | None = None) -> list[Any]:
    async with world.database.transaction() as connection:
        return await list_attention(connection, account or world.account)


async def _change(world: Any, invoice: Any, values: str) -> None:
    query = f"update invoicing.invoice set {values} where invoice_id = :id returning 1"  # noqa: S608
    await world.rows(query, id=invoice.invoice_id)


async def test_an_invoice_that_backs_off_for_ever_waits(world: Any, statement: Any) -> None:
    """Some failures pass by themselves; so many in a row are told, since it was drafted."""
    invoice = await world.draft(statement(*AMOUNTS, total="5"))
    await _change(world, invoice, f"failures = {FAILURES_MAX - 1}")
    before = await _items(world)
    await _change(world, invoice, f"failures = {FAILURES_MAX}")
    (item,) = await _items(world)

    assert [] == before
    assert ("backing_off_invoice", invoice.invoice_id) == (item.code, item.subject)
    assert {"invoice_id": invoice.invoice_id, "tenant_id": "acme"} == item.ids
    assert world.clock.now() == item.since
    assert f"GET /v1/invoices/{invoice.invoice_id}" == item.action.words


@pytest.mark.parametrize(
    ("number", "code"), [("null", "parked_invoice"), ("'V-000001'", "blocked_finalization")]
)
async def test_what_parks_behind_the_gate_blocks_a_finalization(
    world: Any, statement: Any, number: str, code: str
) -> None:
    """A parked invoice with a number has passed the gate: its finalizing is blocked."""
    invoice = await world.draft(statement(*AMOUNTS, total="5"))
    await _change(world, invoice, f"state = 'parked', reason = 'issued_differs', number = {number}")

    (item,) = await _items(world)

    assert (code, "parked_invoice", "issued_differs") == (item.code, item.kind, item.reason)
    assert f"POST /v1/invoices/{invoice.invoice_id}/retry" == item.action.words


async def test_dead_letters_wait_with_whom_they_name(world: Any) -> None:
    """A record that names the account waits for it; nobody else's does."""
    for offset, vendor_id in enumerate((world.vendor_id, world.vendor_id, "somebody")):
        body = json.dumps({"vendor_id": vendor_id, "mode": "test"}, separators=(",", ":"))
        record = {"topic": "statement.rated", "partition": 7, "offset": offset}
        values = record | {"code": "invalid_message", "payload": body.encode()}
        async with world.database.transaction() as connection:
            await insert_dead_letter(connection, values)

    (item,) = await _items(world)
    others = await _items(world, Account(world.vendor_id, "live"))
    await world.rows("delete from invoicing.dead_letter returning 1")

    assert ("dead_letters", "invalid_message", 2) == (item.code, item.subject, item.count)
    assert (None, []) == (item.action.method, others)
    assert item.since is not None


async def test_events_of_stripe_that_cannot_be_processed_wait(world: Any) -> None:
    """An event that failed again and again is told with when the oldest came."""
    await world.rows(
        "insert into invoicing.webhook_inbox "
        "(vendor_id, mode, event_id, type, payload, received_at, failures, next_attempt_at) "
        "values (:vendor, 'test', 'evt_1', 'invoice.paid', '', :now, :failures, :now) returning 1",
        vendor=world.vendor_id,
        now=world.clock.now(),
        failures=FAILURES_MAX,
    )

    (item,) = await _items(world)

    assert ("stripe_events_failing", world.clock.now()) == (item.code, item.since)


async def test_what_no_invoice_takes_over_waits(world: Any, statement: Any) -> None:
    """Money that we owe, and no invoice comes: after two months somebody is asked."""
    now = datetime.now(UTC)
    world.clock.instant = now - timedelta(days=61)
    await world.draft(statement(("a", "-3"), total="-3", tenant_id="young"))
    world.clock.instant = now - timedelta(days=63)
    made = await world.draft(statement(("a", "-3"), total="-3"))

    (item,) = await _items(world)

    assert ("open_carry_over", made.invoice_id) == (item.code, item.subject)
    assert f"POST /v1/carry-overs/{made.invoice_id}/settle" == item.action.words


async def test_all_services_are_asked(world: Any, statement: Any, database: TestDatabase) -> None:
    """One list over the three databases, in the way of the data, for one account."""
    await world.draft(statement(("a", "1"), total="2"))
    metering = Database(database.urls["metering"], connections=1)
    pricing = Database(database.urls["pricing"], connections=1)
    databases = {"metering": metering, "pricing": pricing, "invoicing": world.database}
    of = {"vendor": world.vendor_id}
    async with metering.transaction() as connection:
        await connection.execute(text(DIFFERING), of)
    async with pricing.transaction() as connection:
        await connection.execute(text(PARKED), of)
    moment = Moment(datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=12))

    found = await read_waiting(databases, world.account, moment, accepted=frozenset({"agreed"}))
    with pytest.raises(TallyrollError, match="nobody"):
        await read_waiting(
            databases, Account("nobody", "test"), moment, accepted=frozenset({"agreed"})
        )
    await metering.close()
    await pricing.close()

    told = [(one.service, one.item.code) for one in found]
    assert [
        ("metering", "recount_differs"),
        ("pricing", "parked_tenant"),
        ("invoicing", "parked_invoice"),
    ] == told
    assert all(one.item.since and one.item.ids and one.item.action.words for one in found)
