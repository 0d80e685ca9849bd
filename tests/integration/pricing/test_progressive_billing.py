"""Progressive billing on a real database: once for each threshold, and settled by the period."""

import asyncio
from datetime import UTC, date, datetime
from fractions import Fraction

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.pricing.domain.progressive import ProgressiveBilled
from services.pricing.handlers.invoices import settle_invoice
from services.pricing.handlers.meter_readings import live_lookup
from services.pricing.handlers.progressive import bill_crossed
from services.pricing.handlers.wallets import give
from services.pricing.repository import progressive, sealing
from services.pricing.repository.invariants_invoiced import check_invoiced_before
from services.pricing.repository.invariants_ledger import LedgerFinding
from services.pricing.repository.locks import lock_closing, tenant_partition
from services.pricing.repository.wallets import Wallet
from services.pricing.tables import outbox
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.spend_crossed import SpendCrossed
from shared.topics import SPEND_CROSSED
from tests.support.credit_values import grant

from .billing_api import Headers, days_of, seal
from .progressive_api import NOVEMBER_10, all_told, bill_now, grow, look, sell, told
from .subscription_api import account_of, change, statements_of
from .test_credits_at_closing import voided

NOVEMBER, NOVEMBER_END = date(2023, 11, 1), date(2023, 11, 30)
FEES = {"000-team": "300", "001-seats": "60"}
CREDIT_1, CREDIT_2 = "~progressive/000001", "~progressive/000002"


async def test_a_crossing_is_invoiced_and_credited_at_the_end(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Usage alone is invoiced, when it reaches the threshold; the period brings the rest."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 66)
    below = await look(store)
    await grow(store, vendor, 2, 100)
    invoiced = [await look(store), await look(store)]
    bill = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    await grow(store, vendor, 3, 150)
    await seal(store, vendor, NOVEMBER_END)
    first, last = await statements_of(client, headers)

    assert (0, [1, 0]) == (below, invoiced)
    assert ("progressive", 1, "300", {"002-input": "300"}) == told(first)
    assert {
        "threshold_exact": "200",
        "spend_exact": "300",
        "watermark": "2023-11-10T12:00:00Z",
    } == (first["reached"])
    assert ("2023-11-01", "2023-12-01") == (first["period_start"], first["period_end"])
    assert "360" == bill["subscriptions"][0]["total_exact"]
    assert ("period", 1, "510", {**FEES, "002-input": "450", CREDIT_1: "-300"}) == told(last)
    assert first["statement_id"] == last["lines"][-1]["credited"]


async def test_a_crossing_is_told_once(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Beside its statement, once for a threshold of a period, however often spend is looked at."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 100)
    await look(store)
    await grow(store, vendor, 2, 150)
    await look(store)
    (statement,) = await statements_of(client, headers)
    query = select(outbox.c.payload).where(outbox.c.topic == SPEND_CROSSED.name)
    async with store.transaction() as connection:
        payloads = (await connection.scalars(query)).all()
    (crossed,) = [
        one for one in map(SpendCrossed.model_validate_json, payloads) if one.vendor_id == vendor
    ]

    assert ("spend_threshold", "200", "300") == (
        crossed.kind,
        crossed.bound_exact,
        crossed.now_exact,
    )
    assert (statement["statement_id"], statement["subscription_id"]) == (
        crossed.statement_id,
        crossed.subscription_id,
    )
    assert NOVEMBER == crossed.period_start


async def test_each_threshold_is_invoiced_for_what_is_new(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A jump over several is one statement; the next takes off what came before, to the last one.

    Beyond the last threshold another one is reached each time that so much is spent again.
    """
    await sell(client, headers, "100", "200", recurring="500")
    made = []
    for version, thousands in enumerate((100, 200, 240, 700), start=1):
        await grow(store, vendor, version, thousands)
        made.append(await look(store))
    await seal(store, vendor, NOVEMBER_END)
    statements = await all_told(client, headers)
    reached = [one.get("reached") for one in await statements_of(client, headers)]

    assert [1, 0, 1, 1] == made
    assert [
        ("progressive", 1, "300", {"002-input": "300"}),
        ("progressive", 2, "420", {"002-input": "720", CREDIT_1: "-300"}),
        (
            *("progressive", 3, "1380"),
            {"002-input": "2100", CREDIT_1: "-300", CREDIT_2: "-420"},
        ),
    ] == statements[:3]
    assert ["200", "700", "1700"] == [one["threshold_exact"] for one in reached if one]
    assert ("period", 1, "360") == statements[3][:3]
    assert 360 + 2100 == sum(Fraction(total) for _, _, total, _ in statements)


async def test_a_threshold_is_invoiced_once_whoever_looks(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Two at once, usage that is sent again, and a fall below with a second rise: one statement."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 100)
    account = account_of(vendor)
    both = await asyncio.gather(*(bill_now(store, account) for _ in range(2)))
    again = []
    for version, thousands in ((1, 100), (2, 50), (3, 120)):
        await grow(store, vendor, version, thousands)
        again.append((await look(store), await bill_now(store, account)))

    assert 1 == sum(one is not None for one in both)
    assert [(0, None)] * 3 == again
    assert 1 == len(await statements_of(client, headers))
    with pytest.raises(IntegrityError):
        await _add_again(store, account)


async def _add_again(store: Database, account: Account) -> None:
    async with store.transaction() as connection:
        ((one, _),) = await progressive.list_of_period(connection, account, "main", 1)
        await progressive.add(connection, account, "main", 1, one)


async def test_a_crash_before_the_commit_leaves_nothing_and_it_comes_again(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The statement, its message and what is noted about it are one transaction."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 100)
    with pytest.raises(RuntimeError, match="crash"):
        await _crash(store, vendor)
    before = await all_told(client, headers)
    made = await look(store)
    (after,) = await statements_of(client, headers)
    async with store.transaction() as connection:
        rows = (await connection.execute(outbox.select())).mappings().all()

    assert ([], 1) == (before, made)
    assert ["spend.crossed", "statement.rated"] == sorted(
        row["topic"] for row in rows if after["statement_id"] in str(row["headers"])
    )


async def _crash(store: Database, vendor: str) -> None:
    account = account_of(vendor)
    async with store.transaction() as connection:
        meters = await live_lookup(connection, account)
        assert await bill_crossed(connection, account, "main", meters) is not None
        raise RuntimeError("crash")


async def test_a_period_that_forgot_what_was_invoiced_is_found(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """`tallyrollctl verify` says nothing of a sound vendor, and names a credit that is missing."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 100)
    await look(store)
    sound = [await _check(store, vendor)]
    await seal(store, vendor, NOVEMBER_END)
    sound.append(await _check(store, vendor))
    forged = ProgressiveBilled("forged", 9, Fraction(7), Fraction(7), NOVEMBER_10)
    async with store.transaction() as connection:
        await progressive.add(connection, account_of(vendor), "main", 1, forged)
    found = await _check(store, vendor)

    assert [(1, []), (1, [])] == [(one.looked_at, one.offending) for one in sound]
    assert [True, True] == [
        told.endswith(words)
        for told, words in zip(
            found.offending, ("says None, not 7", "takes off nothing, not 7"), strict=True
        )
    ]


async def _check(store: Database, vendor: str) -> LedgerFinding:
    async with store.transaction() as connection:
        return await check_invoiced_before(connection, vendor, None)


async def test_usage_that_is_corrected_is_settled_by_the_period(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """What was invoiced too much makes the period's statement smaller, below zero if need be."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 400)
    await look(store)
    await grow(store, vendor, 2, 100)
    await seal(store, vendor, NOVEMBER_END)
    first, last = await all_told(client, headers)

    assert ("progressive", 1, "1200", {"002-input": "1200"}) == first
    assert ("period", 1, "-540", {**FEES, "002-input": "300", CREDIT_1: "-1200"}) == last


async def test_late_usage_of_such_a_period_is_adjusted_as_of_any(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The credit is no part of what the period came to: later differences are those of usage."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 100)
    await look(store)
    await seal(store, vendor, NOVEMBER_END)
    late = date(2023, 12, 5)
    await grow(store, vendor, 2, 20, day=NOVEMBER_END, booked=late)
    await seal(store, vendor, *days_of(date(2023, 12, 1), date(2023, 12, 31)))
    await grow(store, vendor, 3, 1, day=NOVEMBER_END, booked=date(2024, 1, 5))
    await seal(store, vendor, *days_of(date(2024, 1, 1), date(2024, 1, 31)))
    statements = await all_told(client, headers)

    adjustment = "~adjustment/2023-11-01/main/002-input"
    assert [
        ("progressive", 1, "300", {"002-input": "300"}),
        ("period", 1, "360", {**FEES, "002-input": "300", CREDIT_1: "-300"}),
        ("period", 2, "420", {**FEES, adjustment: "60"}),
        ("period", 3, "363", {**FEES, adjustment: "3"}),
    ] == statements


async def test_what_is_void_is_owed_again(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A progressive invoice that is void before the period ends is not credited, told twice or not.

    Its threshold is not invoiced a second time; the next one brings what was void, too.
    """
    await sell(client, headers, "200", "400")
    await grow(store, vendor, 1, 100)
    await look(store)
    (first,) = await statements_of(client, headers)
    for state in ("sent", "void", "void"):
        async with store.transaction() as connection:
            await settle_invoice(connection, voided(vendor, first["statement_id"], state))
    await grow(store, vendor, 2, 110)
    await look(store)
    await grow(store, vendor, 3, 150)
    await look(store)
    await seal(store, vendor, NOVEMBER_END)
    statements = await all_told(client, headers)

    assert ("progressive", 2, "450", {"002-input": "450"}) == statements[1]
    assert ("period", 1, "360", {**FEES, "002-input": "450", CREDIT_2: "-450"}) == statements[2]


async def test_a_statement_is_true_for_its_watermark(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Until it is issued, usage of the tenant waits, and so does whoever would close its period."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 100)
    account = account_of(vendor)
    async with store.transaction() as connection:
        meters = await live_lookup(connection, account)
        statement = await bill_crossed(connection, account, "main", meters)
        for wanted in (_change_usage, _close):
            with pytest.raises(DBAPIError, match="lock timeout"):
                await wanted(store, account)
    for wanted in (_change_usage, _close):
        await wanted(store, account)

    assert statement is not None
    assert statement.reached is not None
    assert NOVEMBER_10 == statement.reached.watermark


async def _change_usage(store: Database, account: Account) -> None:
    changing = "update pricing.usage_watermark set changes = 9 where vendor_id = :vendor"
    async with store.transaction() as connection:
        await connection.execute(text("set local lock_timeout = '100ms'"))
        await connection.execute(text(changing), {"vendor": account.vendor_id})


async def _close(store: Database, account: Account) -> None:
    async with store.transaction() as connection:
        await connection.execute(text("set local lock_timeout = '100ms'"))
        await lock_closing(connection, account, [tenant_partition(account, "globex")])


async def test_the_next_period_is_looked_at_when_it_opens(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """December's usage that came before November closed needs no other message."""
    await sell(client, headers, "200")
    second = date(2023, 12, 2)
    watermark = datetime(2023, 12, 2, 1, tzinfo=UTC)
    await grow(store, vendor, 1, 90, day=second, watermark=watermark)
    before = await look(store)
    await seal(store, vendor, NOVEMBER_END)
    after = [await look(store), await look(store)]
    statements = await statements_of(client, headers)

    assert (0, [1, 0]) == (before, after)
    assert ("progressive", "2023-12-01", "270") == tuple(
        statements[1][name] for name in ("kind", "period_start", "total_exact")
    )


async def test_a_parked_tenant_is_not_invoiced(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A copy that is not what a seal says is not rated; once it is, the look comes."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 100)
    account, day = account_of(vendor), NOVEMBER_10.date()
    async with store.transaction() as connection:
        await sealing.park(connection, account, day=day, tenant_id="globex", expected={}, found={})
    parked = (await look(store), await bill_now(store, account))
    async with store.transaction() as connection:
        await sealing.unpark(connection, account, day=day, tenants=["globex"])
    released = await look(store)

    assert ((0, None), 1) == (parked, released)


async def test_thresholds_may_be_a_tenants_own(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """What is agreed with a tenant replaces the plan's, from its day on."""
    await sell(client, headers)
    await grow(store, vendor, 1, 100)
    none = await look(store)
    own = {"target": "plan", "key": "team", "set": {"progressive_thresholds": ["250"]}}
    answer = await change(client, headers, "overrides", "2023-11-05", overrides=[own])
    await grow(store, vendor, 2, 101)
    made = await look(store)
    (statement,) = await statements_of(client, headers)

    assert answer.is_success, answer.text
    assert (0, 1, "250") == (none, made, statement["reached"]["threshold_exact"])


async def test_credits_wait_for_the_period(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A progressive statement draws on no wallet; the period's draws what is left to pay."""
    held = Wallet(vendor, "test", "globex", "USD")
    async with store.transaction() as connection:
        await give(connection, held, grant("a", 1000), on=NOVEMBER, origin="grant")
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 100)
    await look(store)
    await seal(store, vendor, NOVEMBER_END)
    first, last = await statements_of(client, headers)

    assert [] == first["credits"]
    assert 360 == sum(Fraction(draw["amount_exact"]) for draw in last["credits"])


async def test_cost_and_margin_are_told_once(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Cost stands on the period's statement, whose margin is that of all the period brings in."""
    await sell(client, headers, "200")
    await grow(store, vendor, 1, 100)
    without = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    await look(store)
    await seal(store, vendor, NOVEMBER_END)
    first, last = await statements_of(client, headers)

    assert (None, [], []) == (first["cost"], first["unrated"], first["unpriced"])
    assert without["subscriptions"][0]["cost"] == last["cost"]
