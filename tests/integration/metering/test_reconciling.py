"""A sealed day is compared with the archive without a trace of it."""

from datetime import date
from pathlib import Path

from services.metering.archive.verification import Verifier
from services.metering.reconciling import reconcile_day
from services.metering.repository.reconciling import list_sealed_days, read_sums_of_day
from shared.accounts.repository import Account
from shared.database import Database
from tests.support.database import TestDatabase

from .conftest import Ledger, make_event
from .test_archive_verification import LAST_DAY, Archive

END = date(2026, 2, 1)


async def test_a_day_is_counted_again_and_nothing_is_stored(
    ledger: Ledger, database: TestDatabase, tmp_path: Path
) -> None:
    """In a session that cannot write: agreed days say nothing, a lost row says both figures."""
    archive = await _archived(ledger, tmp_path)
    await ledger.count(make_event("e-1"), make_event("e-1"), make_event("e-2"))
    await archive.seal(LAST_DAY)
    await archive.catch_up()
    reading = Database(
        database.urls["metering"], server_settings={"default_transaction_read_only": "on"}
    )
    counting = Verifier(reading, archive.storage, archive.clock, wait_seconds=0.3)

    agreed = await reconcile_day(counting, archive.account, LAST_DAY)
    await ledger.query("delete from metering.rollup where vendor_id = :vendor")
    lost = await reconcile_day(counting, archive.account, LAST_DAY)
    await reading.close()

    assert (2, []) == (agreed.events, agreed.differences)
    assert {"events_rollup_differ"} == {one.code for one in lost.differences}
    assert all(one.line().endswith("rollup 0 (0 events)") for one in lost.differences)
    assert {} == await archive.outcomes()


async def test_sums_are_those_of_sealed_days(ledger: Ledger, tmp_path: Path) -> None:
    """Sealed days of a month, and what is booked in one over all partitions."""
    archive = await _archived(ledger, tmp_path)
    await ledger.count(make_event("e-1"), make_event("e-2"))
    await archive.seal(LAST_DAY)
    account = Account(ledger.vendor_id, "live")

    async with ledger.database.transaction() as connection:
        days = await list_sealed_days(connection, account, date(2026, 1, 1), END)
        later = await list_sealed_days(connection, account, END, date(2026, 3, 1))
        sums = await read_sums_of_day(connection, account, LAST_DAY)

    assert (LAST_DAY, []) == (days[-1], later)
    assert {2} == {events for _, events, _ in sums.values()}


async def _archived(ledger: Ledger, folder: Path) -> Archive:
    """Return an archive that begins where the ledger stands now."""
    archive = Archive(ledger, folder / "archive")
    await ledger.query("delete from metering.archive_file")
    await ledger.query("delete from metering.archive_offset")
    for partition, offset in ledger.offsets.items():
        await ledger.query(
            "insert into metering.archive_offset values ('usage.recorded', :partition, :offset)",
            partition=partition,
            offset=offset,
        )
    return archive
