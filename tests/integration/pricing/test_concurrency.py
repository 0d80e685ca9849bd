"""Order of arrival and of transactions: neither loses nor doubles anything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from examples.demo.catalog import price_book
from services.pricing.domain.periods import Period
from services.pricing.handlers import catalog
from services.pricing.handlers.subscription_changes import make_change
from services.pricing.handlers.subscriptions import put_subscription
from services.pricing.handlers.usage import record_seal
from services.pricing.repository import catalog as books
from services.pricing.repository import statements, usage
from services.pricing.repository.locks import tenant_partition
from services.pricing.schemas.subscription import SubscriptionWrite
from services.pricing.schemas.subscription_change import SeatsChange
from services.pricing.tables import usage_daily
from shared.accounts.bootstrap import bootstrap_vendor
from shared.accounts.repository import Account, put_tenant
from shared.accounts.schemas import TenantWrite
from shared.clock import FrozenClock
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.statement_rated import StatementRated
from shared.events.usage_aggregated import DaySealed, UsageAggregated
from tests.support.database import TestDatabase
from tests.support.pricing_service import NOW, SECRET, fresh_vendor
from tests.support.pricing_usage import usage_row

DAY = date(2023, 11, 30)
NOVEMBER = Period(date(2023, 11, 1), date(2023, 12, 1), 30)
Store = Callable[[AsyncConnection, UsageAggregated], Awaitable[None]]


@pytest.fixture(name="store")
async def _store(database: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(database.urls["pricing"], connections=4)
    yield opened
    await opened.close()


@pytest.fixture(name="account")
async def _account(store: Database) -> Account:
    """Return a vendor with the tenant globex and the demo's published book."""
    account = Account(fresh_vendor(), "test")
    clock = FrozenClock(NOW)
    await bootstrap_vendor(store, account, name="V", pepper=SECRET.encode(), clock=clock)
    async with store.transaction() as connection:
        await put_tenant(connection, account, "globex", TenantWrite(name="Globex"))
        await books.put_book(connection, account, "demo", "Demo")
        await catalog.write_draft(connection, account, "demo", version=1, content=price_book())
        await catalog.publish_version(
            connection, account, "demo", version=1, effective_on=NOVEMBER.start, now=NOW
        )
    return account


async def subscribe(store: Database, account: Account) -> None:
    written = SubscriptionWrite(
        tenant_id="globex", price_book="demo", plan="support", starts_on=NOVEMBER.start
    )
    async with store.transaction() as connection:
        await put_subscription(connection, account, "main", written)


async def seal(connection: AsyncConnection, account: Account) -> None:
    sealed = DaySealed(
        vendor_id=account.vendor_id,
        mode="test",
        day=DAY,
        first_day=DAY,
        version=1,
        part=1,
        parts=1,
        recount="off",
        offsets={},
        tenants=[],
    )
    partition = tenant_partition(account, "globex")
    await record_seal(connection, sealed, partition, accepted={"off"})


async def statements_of(store: Database, account: Account) -> list[Any]:
    async with store.transaction() as connection:
        rows = await statements.list_of_tenant(connection, account, None, after=0, limit=10)
    return list(rows)


async def subscribe_while_sealing(store: Database, account: Account) -> int:
    """Write a subscription while a seal is not yet committed; return how many statements."""
    async with store.transaction() as connection:
        await seal(connection, account)
        subscribing = asyncio.create_task(subscribe(store, account))
        await asyncio.wait([subscribing], timeout=0.5)
    await subscribing
    return len(await statements_of(store, account))


async def test_a_seal_and_a_subscription_do_not_overlook_each_other(
    store: Database, account: Account
) -> None:
    """Of two transactions at once the later one closes the period, exactly once."""
    assert 1 == await subscribe_while_sealing(store, account)


async def test_without_the_lock_the_period_would_stay_open(
    store: Database, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the common lock neither transaction sees the other, and nobody closes the period."""

    async def no_lock(*_arguments: Any) -> None:
        return

    monkeypatch.setattr("services.pricing.handlers.usage.lock_closing", no_lock)
    monkeypatch.setattr("services.pricing.handlers.subscriptions.lock_closing", no_lock)

    assert 0 == await subscribe_while_sealing(store, account)


async def change_while_sealing(store: Database, account: Account) -> list[str]:
    """Change a seat of November while its seal is not committed; return what was refused."""
    await subscribe(store, account)
    written = SeatsChange(kind="seats", seats=7, when=date(2023, 11, 16))

    async def change() -> list[str]:
        async with store.transaction() as connection:
            try:
                await make_change(connection, account, "main", written=written, today=DAY)
            except TallyrollError as error:
                return [error.code]
        return []

    async with store.transaction() as connection:
        await seal(connection, account)
        changing = asyncio.create_task(change())
        await asyncio.wait([changing], timeout=0.5)
    return await changing


async def test_a_change_never_slips_into_a_period_that_is_being_billed(
    store: Database, account: Account
) -> None:
    """A change waits for the seal, and then finds its day billed."""
    assert ["change_in_billed_period"] == await change_while_sealing(store, account)


async def test_without_the_lock_a_change_would_slip_in(
    store: Database, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the common lock the change is stored, though its period was billed without it."""

    async def no_lock(*_arguments: Any) -> None:
        return

    monkeypatch.setattr("services.pricing.handlers.subscription_changes.lock_closing", no_lock)

    assert [] == await change_while_sealing(store, account)


async def test_a_second_statement_for_a_period_is_refused(
    store: Database, account: Account
) -> None:
    """The database itself has one statement for each subscription and sequence."""
    await subscribe(store, account)
    async with store.transaction() as connection:
        await seal(connection, account)
    (first,) = await statements_of(store, account)
    async with store.transaction() as connection:
        row = await statements.read(connection, account, first["statement_id"])
    assert row is not None
    again = StatementRated.model_validate(row["content"] | {"statement_id": "another"})

    with pytest.raises(IntegrityError, match="uq_statement"):
        await issue(store, again)


async def issue(store: Database, rated: StatementRated) -> None:
    async with store.transaction() as connection:
        await statements.issue(connection, [rated])


async def last_write_wins(connection: AsyncConnection, message: UsageAggregated) -> None:
    """Store rows without looking at versions, as a naive consumer would."""
    await connection.execute(
        delete(usage_daily).where(usage_daily.c.vendor_id == message.vendor_id)
    )
    await usage.store(connection, message)


@pytest.mark.parametrize(("write", "total"), [(usage.store, 12), (last_write_wins, 5)])
async def test_an_older_version_changes_nothing(
    store: Database, account: Account, write: Store, total: int
) -> None:
    """Rows are cumulative: the highest version stays, late and repeated ones are harmless.

    The naive consumer is left with the older count.
    """
    for version, quantity in ((1, 5), (2, 12), (2, 12), (1, 5)):
        message = UsageAggregated(
            vendor_id=account.vendor_id,
            mode="test",
            tenant_id="globex",
            version=version,
            watermark=NOW,
            rows=[usage_row(DAY, "input_uncached", quantity)],
            user_rows=[],
        )
        async with store.transaction() as connection:
            await write(connection, message)

    async with store.transaction() as connection:
        rows = await usage.read_period(connection, account, "globex", NOVEMBER)
    assert [total] == [row.quantity for row in rows]
