"""Fees in advance on a real database: opened once, charged ahead, settled by their own period."""

from datetime import date

import httpx
import pytest
from sqlalchemy.exc import IntegrityError

from services.pricing.handlers.closing import close_periods
from services.pricing.repository import statements
from services.pricing.repository.locks import lock_closing, tenant_partition
from services.pricing.tables import outbox, sealed_through
from shared.database import Database
from shared.events.statement_rated import StatementRated

from .billing_api import Headers, days_of, seal
from .fees_api import (
    DECEMBER,
    NOVEMBER,
    NOVEMBER_END,
    OCTOBER_END,
    all_told,
    bill_of,
    in_advance,
    told,
)
from .subscription_api import (
    account_of,
    change,
    publish_book,
    statements_of,
    subscribe,
    use,
)


async def test_a_subscription_is_opened_once_and_charged_ahead(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """The seal of the day before opens it; each statement charges the period after its own."""
    assert [] == await all_told(client, subscribed)
    await seal(store, vendor, OCTOBER_END)
    await seal(store, vendor, NOVEMBER)
    opened = await all_told(client, subscribed)
    await use(store, vendor, (3, "input_uncached", 1000))
    await seal(store, vendor, *days_of(date(2023, 11, 2), NOVEMBER_END))
    made = await all_told(client, subscribed)

    fees = {"team 2023-11-01": "300", "seats 2023-11-01": "60"}
    ahead = {"team 2023-12-01": "300", "seats 2023-12-01": "60"}
    assert [("opening", "360", fees)] == opened
    assert [*opened, ("period", "363", ahead)] == made


async def test_days_that_are_sealed_already_open_and_close_at_once(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """A subscription of the past has the statements that it would have had one by one."""
    await seal(store, vendor, *days_of(OCTOBER_END, date(2023, 12, 31)))
    await publish_book(client, headers, content=in_advance())
    await subscribe(client, headers, ends_on="2024-01-10")

    assert [
        ("opening", "360", {"team 2023-11-01": "300", "seats 2023-11-01": "60"}),
        ("period", "360", {"team 2023-12-01": "300", "seats 2023-12-01": "60"}),
        # January is known to end after ten days.
        ("period", "3600/31", {"team 2024-01-01": "3000/31", "seats 2024-01-01": "600/31"}),
    ] == await all_told(client, headers)


async def test_a_transaction_that_fails_leaves_nothing_and_comes_again(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """An opening is a row, a message and the move to the period, in one transaction: or none."""
    partition = tenant_partition(account_of(vendor), "globex")
    with pytest.raises(RuntimeError, match="crash"):
        await _crash(store, vendor, partition)
    before = await all_told(client, subscribed)
    for _ in range(2):
        await seal(store, vendor, OCTOBER_END)
    after = await statements_of(client, subscribed)

    assert ([], ["opening"]) == (before, [one["kind"] for one in after])
    assert 1 == await _messages(store, after[0]["statement_id"])


async def _crash(store: Database, vendor: str, partition: int) -> None:
    """Close what is due, and fail before the commit."""
    account = account_of(vendor)
    async with store.transaction() as connection:
        await lock_closing(connection, account, [partition])
        values = {"vendor_id": vendor, "mode": "test", "topic_partition": partition}
        await connection.execute(sealed_through.insert().values(**values, day=OCTOBER_END))
        assert 1 == await close_periods(connection, account, partition)
        raise RuntimeError("crash")


async def _messages(store: Database, statement_id: str) -> int:
    async with store.transaction() as connection:
        rows = (await connection.execute(outbox.select())).mappings().all()
    return sum(statement_id in str(row["headers"]) for row in rows)


async def test_the_database_refuses_a_second_opening(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """Whatever the code does, one opening stands for a subscription's period."""
    await seal(store, vendor, OCTOBER_END)
    (opening,) = await statements_of(client, subscribed)
    again = StatementRated.model_validate({**opening, "statement_id": "another"})
    with pytest.raises(IntegrityError):
        async with store.transaction() as connection:
            await statements.issue(connection, [again])


async def test_the_version_is_that_of_the_next_periods_start(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """A price of December stands on November's statement, also if it is published after that."""
    await seal(store, vendor, *days_of(OCTOBER_END, NOVEMBER))
    dearer = in_advance(team="310.00")
    await publish_book(client, subscribed, content=dearer, version=2, effective_on="2023-12-01")
    await seal(store, vendor, *days_of(date(2023, 11, 2), NOVEMBER_END))
    dearest = in_advance(team="340.00")
    await publish_book(client, subscribed, content=dearest, version=3, effective_on="2023-12-01")
    await change(client, subscribed, "cancel", "2024-01-01")
    await seal(store, vendor, *days_of(DECEMBER, date(2023, 12, 31)))
    made = await all_told(client, subscribed)
    _, november, _ = await statements_of(client, subscribed)
    (team,) = [line for line in november["lines"] if line["charge"] == "team"]

    assert ["by version 2 of sold", "310.00 USD for the period"] == [
        step["description"] for step in team["steps"]
    ]
    assert [
        ("period", "370", {"team 2023-12-01": "310", "seats 2023-12-01": "60"}),
        ("period", "30", {"team 2023-12-01": "30"}),
    ] == made[1:]


async def test_changes_within_a_period_are_charged_and_credited_by_days(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """An upgrade and two seats from the 16th on; fewer seats wait for the next period."""
    await seal(store, vendor, OCTOBER_END)
    await change(client, subscribed, "plan", "2023-11-16", plan="business")
    await change(client, subscribed, "seats", "2023-11-16", seats=4)
    await change(client, subscribed, "seats", "2023-11-21", seats=1)
    bill = await bill_of(client, subscribed)
    await seal(store, vendor, *days_of(NOVEMBER, NOVEMBER_END))
    opening, period = await statements_of(client, subscribed)

    changed = {
        "team 2023-11-01": "-150",
        "business 2023-11-16": "450",
        "seats 2023-11-01": "30",
        "business 2023-12-01": "900",
        "seats 2023-12-01": "30",
    }
    assert ("period", "1260", changed) == told(period)
    assert {opening["statement_id"], None} == {
        line["advance"].get("statement_id") for line in period["lines"]
    }
    assert (bill["rating_hash"], bill["total_exact"]) == (period["rating_hash"], "1260")
    # 15 days of 300 and of 900, 2 seats and 2 more for 15 days: what arrears would have come to.
    assert 360 + 330 == 150 + 450 + 60 + 30


async def test_a_pause_and_an_end_now_are_credited_by_days(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """Paused from the 11th to the 20th, ended with the 25th: 15 of 30 days remain due."""
    await seal(store, vendor, OCTOBER_END)
    await change(client, subscribed, "pause", "2023-11-11")
    await change(client, subscribed, "resume", "2023-11-21")
    await change(client, subscribed, "cancel", "2023-11-26")
    await seal(store, vendor, *days_of(NOVEMBER, date(2023, 11, 25)))
    made = await all_told(client, subscribed)

    back = {"team 2023-11-01": "-150", "seats 2023-11-01": "-30"}
    assert [("opening", "360"), ("period", "-180")] == [one[:2] for one in made]
    assert back == made[1][2]


async def test_what_is_charged_ends_with_a_day_of_its_period(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """December is charged: it ends after its first day at the earliest, and 30/31 come back."""
    await seal(store, vendor, *days_of(OCTOBER_END, NOVEMBER_END))
    refused = await change(client, subscribed, "cancel", "2023-12-01")
    made = await change(client, subscribed, "cancel", "2023-12-02")
    await seal(store, vendor, DECEMBER)
    last = (await all_told(client, subscribed))[-1]

    assert ("charged_in_advance", 409, 201) == (
        refused.json()["code"],
        refused.status_code,
        made.status_code,
    )
    assert {"team 2023-12-01": "-9000/31", "seats 2023-12-01": "-1800/31"} == last[2]
