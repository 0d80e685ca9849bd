"""Fees in advance on a real database: opened once, charged ahead, settled by their own period."""

from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import IntegrityError

from services.pricing.handlers.closing import close_periods
from services.pricing.handlers.wallets import give
from services.pricing.repository import statements, usage, wallets
from services.pricing.repository.locks import lock_closing, tenant_partition
from services.pricing.repository.wallets import Wallet
from services.pricing.tables import outbox, sealed_through
from shared.database import Database
from shared.events.statement_rated import StatementRated
from shared.events.usage_aggregated import UsageAggregated
from shared.money import parse_exact
from tests.support.credit_values import grant
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import Headers, days_of, seal
from .subscription_api import (
    account_of,
    book,
    change,
    preview,
    publish_book,
    statements_of,
    subscribe,
    use,
)

OCTOBER_END, NOVEMBER_END = date(2023, 10, 31), date(2023, 11, 30)
NOVEMBER, DECEMBER = date(2023, 11, 1), date(2023, 12, 1)
FEES = ("team", "business", "seats")


def in_advance(**amounts: str) -> dict[str, Any]:
    """Return the book whose fees are charged in advance, with other amounts for some of them."""
    content = book()
    for charge in content["charges"]:
        if charge["key"] in FEES:
            charge["timing"] = "in_advance"
        if charge["key"] in amounts:
            charge["amount"] = amounts[charge["key"]]
    return content


@pytest.fixture(name="subscribed")
async def _subscribed(client: httpx.AsyncClient, headers: Headers) -> Headers:
    """Return the headers of a vendor whose tenant is on the plan from 1 November, two seats."""
    await publish_book(client, headers, content=in_advance())
    await subscribe(client, headers)
    return headers


def told(statement: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Return kind, total, and each fee by (charge, first day that it is for)."""
    fees = {
        f"{line['charge']} {line['advance']['period_start']}": line["amount_exact"]
        for line in statement["lines"]
        if line.get("advance")
    }
    return statement["kind"], statement["total_exact"], fees


async def all_told(client: httpx.AsyncClient, headers: Headers) -> list[Any]:
    return [told(statement) for statement in await statements_of(client, headers)]


async def bill_of(client: httpx.AsyncClient, headers: Headers) -> dict[str, Any]:
    answer = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    bill: dict[str, Any] = answer["subscriptions"][0]
    return bill


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


@pytest.mark.parametrize(
    ("trial_days", "opened", "later"),
    [
        (15, {"team 2023-11-16": "150", "seats 2023-11-16": "30"}, "2023-12-01"),
        (30, {"team 2023-12-01": "300", "seats 2023-12-01": "60"}, "2024-01-01"),
    ],
)
async def test_a_trial_is_opened_when_it_ends(  # noqa: PLR0917 - fixtures
    client: httpx.AsyncClient,
    store: Database,
    vendor: str,
    headers: Headers,
    trial_days: int,
    opened: dict[str, str],
    later: str,
) -> None:
    """Nothing is charged before the first day that is not free; then its period's days are."""
    await publish_book(client, headers, content=in_advance())
    await subscribe(client, headers, trial_days=trial_days)
    first = days_of(OCTOBER_END, date(2023, 12, 31))
    await seal(store, vendor, *first[:trial_days])
    before = await all_told(client, headers)
    await seal(store, vendor, *first[trial_days:])
    made = await all_told(client, headers)
    opening = next(one for one in made if one[0] == "opening")

    assert [] == before
    assert opened == opening[2]
    assert {f"team {later}": "300", f"seats {later}": "60"} == made[-2 if trial_days < 30 else -1][
        2
    ]


async def test_a_phase_charges_ahead_by_its_own_plan(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """From December on another plan: November's statement charges that one's fees."""
    await publish_book(client, headers, content=in_advance())
    await subscribe(client, headers, phases=[{"starts_on": "2023-12-01", "plan": "business"}])
    await seal(store, vendor, *days_of(OCTOBER_END, NOVEMBER_END))

    assert {"business 2023-12-01": "900", "seats 2023-12-01": "60"} == (
        await all_told(client, headers)
    )[-1][2]


async def test_late_usage_neither_doubles_nor_loses_fees(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """November is rated again for what came late: its fees, charged and changed, stay as they are.

    So does December, which carries the adjustment and is rated again itself.
    """
    await seal(store, vendor, OCTOBER_END)
    await change(client, subscribed, "seats", "2023-11-16", seats=4)
    rows = [
        usage_row(date(2023, 11, 3), "input_uncached", 1000),
        usage_row(date(2023, 11, 5), "input_uncached", 2000, booked_day=date(2023, 12, 4)),
        usage_row(date(2023, 12, 6), "input_uncached", 1000, booked_day=date(2024, 1, 5)),
    ]
    message = {"vendor_id": vendor, "mode": "test", "tenant_id": "globex", "version": 1}
    copy = UsageAggregated.model_validate(
        {**message, "watermark": NOW, "rows": rows, "user_rows": []}
    )
    async with store.transaction() as connection:
        await usage.store(connection, copy)
    await seal(store, vendor, *days_of(NOVEMBER, date(2024, 2, 29)))
    made = await statements_of(client, subscribed)

    fees = [sum(map(parse_exact, told(one)[2].values())) for one in made]
    # Opening; two seats more for half of November, then December, January, February, March.
    assert [360, 30 + 420, 420, 420, 420] == fees
    assert [360, 453, 426, 423, 420] == [parse_exact(one["total_exact"]) for one in made]
    assert [[], [], ["6"], ["3"], []] == [
        [line["amount_exact"] for line in one["lines"] if line["adjusts"]] for one in made
    ]


async def test_the_bill_and_a_preview_say_what_is_charged(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """Before the opening all is to come; after it, what is charged stands apart."""
    before = await bill_of(client, subscribed)
    await seal(store, vendor, OCTOBER_END)
    after = await bill_of(client, subscribed)
    plan = await preview(client, subscribed, "plan", "2023-11-16", plan="business")

    assert ("2023-11-01", "0", "720") == tuple(
        before[name] for name in ("opens_on", "charged_exact", "total_exact")
    )
    assert (None, "360", "360") == tuple(
        after[name] for name in ("opens_on", "charged_exact", "total_exact")
    )
    assert ["team", "seats"] == [line["charge"] for line in after["charged"]]
    first, second = plan["periods"]
    assert ("360", "660", "360") == tuple(
        first[name] for name in ("before_exact", "after_exact", "charged_exact")
    )
    assert first["words"].endswith(
        "360.00 USD were charged in advance; "
        "the difference to the fees stands on the period's statement."
    )
    assert ("0", "960") == (second["charged_exact"], second["after_exact"])


async def test_credits_pay_an_opening_and_come_back(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """A grant of the first day pays it; what an end gives back of the fee returns to the grant."""
    held = Wallet(vendor, "test", "globex", "USD")
    async with store.transaction() as connection:
        await give(
            connection, held, grant("a", 400, valid_from=NOVEMBER), on=NOVEMBER, origin="grant"
        )
    await seal(store, vendor, OCTOBER_END)
    await change(client, subscribed, "cancel", "2023-11-16")
    await seal(store, vendor, *days_of(NOVEMBER, date(2023, 11, 15)))
    opening, period = await statements_of(client, subscribed)
    async with store.transaction() as connection:
        (state,) = await wallets.read_states(connection, held)

    assert [("a", "300"), ("a", "60")] == [
        (draw["grant_id"], draw["amount_exact"]) for draw in opening["credits"]
    ]
    assert [(opening["statement_id"], "180")] == [
        (one["statement_id"], one["amount_exact"]) for one in period["returns"]
    ]
    assert "-180" == period["total_exact"]
    assert 220 == state.balance


async def test_a_book_in_arrears_has_no_opening(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """Nothing is made, and nothing is looked for again, where no fee is in advance."""
    await publish_book(client, headers)
    await subscribe(client, headers)
    await seal(store, vendor, OCTOBER_END)
    opened = await all_told(client, headers)
    await seal(store, vendor, *days_of(NOVEMBER, NOVEMBER_END))

    assert ([], [("period", "360", {})]) == (opened, await all_told(client, headers))
    bill = await bill_of(client, headers)
    assert ([], None, "360") == (bill["charged"], bill["opens_on"], bill["total_exact"])


async def test_a_version_moves_fees_from_arrears_to_advance(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """November is paid behind, December ahead: the statement between them holds both, once each."""
    await publish_book(client, headers)
    await subscribe(client, headers)
    await publish_book(client, headers, content=in_advance(), version=2, effective_on="2023-12-01")
    await seal(store, vendor, *days_of(OCTOBER_END, NOVEMBER_END))
    (statement,) = await statements_of(client, headers)

    assert ("period", "720", {"team 2023-12-01": "300", "seats 2023-12-01": "60"}) == told(
        statement
    )


async def test_an_override_leaves_the_timing_alone(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """When a fee is due is said by its book; how much may be agreed with a tenant."""
    own = [{"target": "charge", "key": "team", "set": {"timing": "in_arrears", "amount": "200.00"}}]
    refused = await change(client, subscribed, "overrides", "2023-11-16", overrides=own)

    assert [("field_not_overridable", "overrides[0].set.timing")] == [
        (fault["code"], fault["path"]) for fault in refused.json()["faults"]
    ]
