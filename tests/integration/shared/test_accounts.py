"""Accounts on a real database: roles, keys, revocation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from shared.accounts import repository
from shared.accounts.access import Access
from shared.accounts.bootstrap import bootstrap_vendor
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.database import Database
from shared.errors import TallyrollError
from tests.support.database import TestDatabase

PEPPER = b"pepper-of-thirty-two-bytes-or-so"
ACME = Account("acme-vendor", "test")


@pytest.fixture(name="clock")
def _clock() -> FrozenClock:
    return FrozenClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(name="writer")
async def _writer(database: TestDatabase) -> Any:
    opened = Database(database.urls["accounts"])
    yield opened
    async with opened.transaction() as connection:
        await connection.execute(text("truncate accounts.vendor cascade"))
    await opened.close()


async def test_a_bootstrap_key_authenticates(writer: Database, clock: FrozenClock) -> None:
    """The key that is shown once opens the vendor's account in its mode."""
    key = await bootstrap_vendor(writer, ACME, name="Acme", pepper=PEPPER, clock=clock)

    caller = await Access(writer, PEPPER, clock).authenticate(key)

    assert (caller.vendor_id, caller.mode, caller.tenant_id) == ("acme-vendor", "test", None)


async def test_a_second_bootstrap_key_is_refused(writer: Database, clock: FrozenClock) -> None:
    """A key that was shown is not shown again: the second bootstrap is a conflict."""
    await bootstrap_vendor(writer, ACME, name="Acme", pepper=PEPPER, clock=clock)

    with pytest.raises(TallyrollError, match="api_key_exists"):
        await bootstrap_vendor(writer, ACME, name="Acme", pepper=PEPPER, clock=clock)


@pytest.mark.parametrize("change", ["mode", "secret", "pepper"])
async def test_any_other_key_is_refused(writer: Database, clock: FrozenClock, change: str) -> None:
    """Another mode, secret or pepper is an invalid key."""
    key = await bootstrap_vendor(writer, ACME, name="Acme", pepper=PEPPER, clock=clock)
    pepper = b"another-pepper-of-thirty-two-byte" if change == "pepper" else PEPPER
    if change == "mode":
        key = key.replace("tr_test_", "tr_live_")
    if change == "secret":
        key = key[:-1] + ("0" if key[-1] != "0" else "1")

    with pytest.raises(TallyrollError, match="invalid_api_key"):
        await Access(writer, pepper, clock).authenticate(key)


async def test_a_revoked_key_dies_within_the_cache_life(
    writer: Database, clock: FrozenClock
) -> None:
    """A revocation is effective once the cached row is 5 seconds old."""
    key = await bootstrap_vendor(writer, ACME, name="Acme", pepper=PEPPER, clock=clock)
    access = Access(writer, PEPPER, clock)
    caller = await access.authenticate(key)
    async with writer.transaction() as connection:
        await repository.revoke_api_key(connection, ACME, caller.key_id, now=clock.now())

    clock.advance(timedelta(seconds=5))

    with pytest.raises(TallyrollError, match="invalid_api_key"):
        await access.authenticate(key)


async def test_a_known_key_outlives_an_outage_and_an_unknown_one_is_no_401(
    database: TestDatabase, writer: Database, clock: FrozenClock
) -> None:
    """Without Postgres a known key works for 60 seconds; afterwards the answer is 503."""
    key = await bootstrap_vendor(writer, ACME, name="Acme", pepper=PEPPER, clock=clock)
    reader = Database(database.urls["accounts"])
    access = Access(reader, PEPPER, clock)
    await access.authenticate(key)
    await reader.close()
    reader.engine = Database("postgresql://nobody:x@127.0.0.1:1/none").engine

    clock.advance(timedelta(seconds=59))
    assert (await access.authenticate(key)).vendor_id == "acme-vendor"

    clock.advance(timedelta(seconds=2))
    with pytest.raises(TallyrollError, match="accounts_unavailable"):
        await access.authenticate(key)


async def test_only_the_owner_writes_accounts(database: TestDatabase) -> None:
    """The roles of the other services read accounts and cannot write them."""
    reader = Database(database.urls["metering"])

    try:
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with reader.transaction() as connection:
                await connection.execute(text("delete from accounts.vendor"))
    finally:
        await reader.close()
