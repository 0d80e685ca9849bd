"""The invariants on live data: all hold after every kind of event, and each break is seen."""

from datetime import date, timedelta

import pytest
import uuid_utils
from sqlalchemy import text

from services.cli import check_copy, check_copy_by_user
from services.metering.domain.event import WrittenVoid, normalise_void
from services.metering.invariants.checking import verify
from services.metering.invariants.rule import Scope
from shared.database import Database
from tests.support.database import TestDatabase

from .conftest import Ledger, make_event

DAY = date(2026, 1, 31)
ORDERED = str(uuid_utils.uuid7())
BREAKS = {
    "offsets are inside the log": "update metering.consumer_offset set next_offset = 1000000000",
    "nothing lies ahead of its offset": "update metering.consumer_offset set next_offset = 0",
    "counted events = identities": "delete from metering.plain_identity using "
    "metering.tenant_number t where t.number = tenant_number and t.vendor_id = :vendor",
    "each id has one identity": "insert into metering.identity_segment select partition, bucket, "
    '"offset" - 1000000000, entries from metering.identity_segment',
    "nothing is counted and rejected": 'update metering.rejected r set "offset" = p."offset", '
    'index = p.index, partition = p.partition from (select p.partition, p."offset", p.index from '
    "metering.plain_identity p join metering.tenant_number t on t.number = p.tenant_number where "
    "t.vendor_id = :vendor limit 1) p where r.vendor_id = :vendor",
    "rollup holds what was counted": "update metering.counting_statistic "
    "set counted = counted + 100 where vendor_id = :vendor",
    "rollup = rollup by user": "update metering.user_rollup set quantity = quantity + 1 "
    "where vendor_id = :vendor and kind = 'output_text'",
    "seals are contiguous": "delete from metering.seal where vendor_id = :vendor and day = :day",
    "seals lie at counted offsets": "update metering.seal set offsets = '{\"0\": 2000000000}' "
    "where vendor_id = :vendor and day = :day",
}
"""What somebody, or a fault of ours, could do to the data, by the rule that sees it."""


class _Ends:
    """A log that ends far behind everything."""

    async def end_offsets(self) -> dict[int, int]:
        return dict.fromkeys(range(4), 10**8)


@pytest.fixture(name="counted")
async def _counted(ledger: Ledger) -> Ledger:
    """Count events of both kinds of id, twice, corrected, in conflict; and seal three days."""
    events = [make_event("e-1"), make_event("e-2"), make_event(ORDERED, units={"tickets": "2.5"})]
    void = WrittenVoid("c-1", "e-2", "void", 1)
    await ledger.count(*events, normalise_void(void, tenant_id="acme"))
    await ledger.count(*events, make_event("e-1", agent="other"))
    for back in (3, 2, 1):
        await ledger.query(
            "insert into metering.seal values (:vendor, 'live', :day, '{\"0\": 0}', 'off', now())",
            day=DAY - timedelta(days=back),
        )
    await ledger.query(
        "insert into metering.vendor_seal values (:vendor, 'live', :day)",
        day=DAY - timedelta(days=1),
    )
    stored = await ledger.query("select partition, next_offset from metering.consumer_offset")
    ledger.offsets = {row.partition: row.next_offset for row in stored}
    return ledger


async def _broken(database: Database, vendor_id: str) -> dict[str, list[str]]:
    checked = await verify(database, _Ends(), Scope(vendor_id, "live"))
    assert set(BREAKS) == {one.name for one in checked}
    assert all(one.finding.rows > 0 for one in checked)
    return {one.name: one.finding.offending for one in checked if one.finding.offending}


async def test_all_rules_hold_after_counting(counted: Ledger) -> None:
    """Duplicates, conflicts, corrections and seals leave every rule true."""
    assert {} == await _broken(counted.database, counted.vendor_id)


@pytest.mark.parametrize("name", BREAKS)
async def test_every_rule_sees_what_breaks_it(
    counted: Ledger, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data that was tampered with is found by its rule, and told by its key."""
    values = {"vendor": counted.vendor_id, "day": DAY - timedelta(days=2)}
    used = {key: value for key, value in values.items() if f":{key}" in BREAKS[name]}
    async with counted.database.engine.connect() as connection:
        await connection.execute(text(BREAKS[name]), used)
        with monkeypatch.context() as patched:
            patched.setattr(Database, "transaction", lambda *_: _Borrowed(connection))
            broken = await _broken(counted.database, counted.vendor_id)
        await connection.rollback()

    assert name in broken
    assert all(broken[name])


class _Borrowed:
    """A transaction that somebody else ends."""

    def __init__(self, connection: object) -> None:
        self._connection = connection

    async def __aenter__(self) -> object:
        return self._connection

    async def __aexit__(self, *_error: object) -> None:
        return


_COPY = """
insert into pricing.usage_daily
select vendor_id, mode, tenant_id, provider, agent, model, kind, context_band, service_tier, batch,
    speed, region, purpose, status, usage_day, booked_day, entry, sum(quantity), sum(events), 1
from metering.rollup where vendor_id = :vendor
group by vendor_id, mode, tenant_id, provider, agent, model, kind, context_band, service_tier,
    batch, speed, region, purpose, status, usage_day, booked_day, entry
"""
_SEALED = """
insert into pricing.sealed_day (vendor_id, mode, topic_partition, day, version, recount)
select :vendor, 'live', p, :day, 1, 'off' from generate_series(0, 3) as p
"""


async def test_the_copy_of_a_sealed_day_is_compared(
    counted: Ledger, database: TestDatabase
) -> None:
    """Pricing's copy of a sealed day is the rollup; a row that is off by one is found."""
    owner, pricing = Database(database.admin_url), Database(database.urls["pricing"])
    values = {"vendor": counted.vendor_id, "day": DAY}
    scope = Scope(counted.vendor_id, "live")
    async with owner.transaction() as connection:
        await connection.execute(text(_COPY), {"vendor": counted.vendor_id})
        await connection.execute(text(_SEALED), values)
    same = await check_copy(counted.database, pricing, scope)
    async with owner.transaction() as connection:
        await connection.execute(
            text(
                "update pricing.usage_daily set quantity = quantity + 1 "
                "where vendor_id = :vendor and kind = 'tickets'"
            ),
            {"vendor": counted.vendor_id},
        )
    other = await check_copy(counted.database, pricing, scope)
    await owner.close()
    await pricing.close()

    assert (3, []) == (same.finding.rows, same.finding.offending)
    assert 1 == len(other.finding.offending)
    assert f"{counted.vendor_id}/live/acme/{DAY}/tickets" in other.finding.offending[0]


_COPY_BY_USER = """
insert into pricing.usage_daily_by_user
select vendor_id, mode, tenant_id, team, "user", agent, model, purpose, kind, usage_day, booked_day,
    entry, sum(quantity), sum(events), 1
from metering.user_rollup where vendor_id = :vendor
group by vendor_id, mode, tenant_id, team, "user", agent, model, purpose, kind, usage_day,
    booked_day, entry
"""


async def test_the_copy_by_user_is_compared_with_the_other(
    counted: Ledger, database: TestDatabase
) -> None:
    """What is by price is by user, too; a user's row that was lost is found."""
    owner, pricing = Database(database.admin_url), Database(database.urls["pricing"])
    values = {"vendor": counted.vendor_id, "day": DAY}
    scope = Scope(counted.vendor_id, "live")
    async with owner.transaction() as connection:
        for copied in (_COPY, _COPY_BY_USER):
            await connection.execute(text(copied), {"vendor": counted.vendor_id})
        await connection.execute(text(_SEALED), values)
    same = await check_copy_by_user(pricing, scope)
    async with owner.transaction() as connection:
        await connection.execute(
            text(
                "delete from pricing.usage_daily_by_user "
                "where vendor_id = :vendor and kind = 'tickets'"
            ),
            {"vendor": counted.vendor_id},
        )
    other = await check_copy_by_user(pricing, scope)
    await owner.close()
    await pricing.close()

    assert (3, []) == (same.finding.rows, same.finding.offending)
    assert 1 == len(other.finding.offending)
    assert f"{counted.vendor_id}/live/acme/{DAY}/tickets" in other.finding.offending[0]
