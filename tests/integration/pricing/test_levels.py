"""Prices of a level read it as it is when the period begins, whenever its changes came."""

from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.pricing.handlers import beside_usage
from services.pricing.repository import levels, usage
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated, UsageRow
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import Headers, days_of, publish_demo, seal, statements_of
from .seats_api import amounts_of
from .subscription_api import Answer, change, publish_book, subscribe

OCTOBER, NOVEMBER, DECEMBER = date(2023, 10, 20), date(2023, 11, 16), date(2023, 12, 5)
STORED, COLD, TOKENS = "storage_gb", "cold_gb", "input_uncached"


def book() -> Answer:
    """Return a book of storage at 30 dollars a month for each GB, and of tokens."""
    storage = {"model": "weighted_sum", "unit_amount": "30", "name": "Storage"}
    return {
        "currency": "USD",
        "charges": [
            {**storage, "key": "storage", "usage": {"kinds": [STORED]}},
            {**storage, "key": "cold", "usage": {"kinds": ["cold_*"]}},
            {
                "model": "prorated_graduated",
                "key": "tiered",
                "name": "Tiered storage",
                "usage": {"kinds": [STORED]},
                "tiers": [
                    {"up_to": "10", "unit_amount": "30"},
                    {"up_to": None, "unit_amount": "15"},
                ],
            },
            {
                "model": "per_unit",
                "key": "tokens",
                "name": "Tokens",
                "unit_amount": "1",
                "usage": {"kinds": [TOKENS]},
            },
        ],
        "plans": [
            {"key": "stored", "name": "Stored", "charges": ["storage", "cold", "tokens"]},
            {"key": "tiered", "name": "Tiered", "charges": ["tiered", "tokens"]},
            {"key": "tokens", "name": "Tokens", "charges": ["tokens"]},
        ],
    }


async def use(store: Database, vendor: str, *rows: UsageRow) -> None:
    message = UsageAggregated(
        vendor_id=vendor,
        mode="test",
        tenant_id="globex",
        version=1,
        watermark=NOW,
        rows=list(rows),
        user_rows=[],
    )
    async with store.transaction() as connection:
        await usage.store(connection, message)


async def sell(client: httpx.AsyncClient, headers: Headers, plan: str = "stored") -> None:
    published = await publish_book(client, headers, content=book())
    assert published.is_success, published.text
    await subscribe(client, headers, plan=plan, seats=0)


async def seal_month(store: Database, vendor: str, month: int, last: int) -> None:
    year = 2024 if month == 1 else 2023
    await seal(store, vendor, *days_of(date(year, month, 1), date(year, month, last)))


def adjusted(statement: Any) -> list[tuple[str, str, str]]:
    """Return (period, charge, amount) of the adjustment lines."""
    return [
        (line["adjusts"]["period_start"], line["charge"], line["amount_exact"])
        for line in statement["lines"]
        if line["adjusts"]
    ]


async def test_a_level_is_there_before_its_period(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """10 GB of October, before the subscription even, and 3 more for half of November.

    10 x 30 + 3 x 15 = 345, then 13 x 30 = 390; another kind and another tenant's count for nothing.
    The running bill says the same.
    """
    await sell(client, headers)
    rows = [usage_row(OCTOBER, STORED, 10), usage_row(NOVEMBER, STORED, 3)]
    rows += [usage_row(OCTOBER, "cold_archive", 1), usage_row(OCTOBER, "storage-gb", 99)]
    await use(store, vendor, *rows)
    bill = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    await seal_month(store, vendor, 11, 30)
    await seal_month(store, vendor, 12, 31)

    first, second = await statements_of(client, headers)

    assert [{"storage": "345", "cold": "30"}, {"storage": "390", "cold": "30"}] == [
        amounts_of(first),
        amounts_of(second),
    ]
    (live,) = bill["subscriptions"]
    hashes = ("input_hash", "rating_hash")
    assert [first[name] for name in hashes] == [live[name] for name in hashes]


async def test_graduated_levels_go_on_in_their_tier(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Of 12 GB ten are of the first tier, and 4 more for half a month of the second: 330 + 30."""
    await sell(client, headers, "tiered")
    await use(store, vendor, usage_row(OCTOBER, STORED, 12), usage_row(NOVEMBER, STORED, 4))
    await seal_month(store, vendor, 11, 30)

    (statement,) = await statements_of(client, headers)

    assert {"tiered": "360"} == amounts_of(statement)


@pytest.mark.parametrize("known_before", [False, True])
async def test_late_usage_changes_the_level_of_every_later_period(
    client: httpx.AsyncClient,
    headers: Headers,
    vendor: str,
    store: Database,
    known_before: bool,
) -> None:
    """2 GB of October booked in December: 60 more for November; December has them from the start.

    4 GB of 21 November booked in January: 40 for a third of November, 120 for December. When it is
    known is nothing: what is booked counts.
    """
    late = usage_row(date(2023, 10, 25), STORED, 2, booked_day=DECEMBER)
    await sell(client, headers)
    await use(store, vendor, usage_row(OCTOBER, STORED, 10), *([late] if known_before else []))
    await seal_month(store, vendor, 11, 30)
    await use(store, vendor, late)
    bill = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    await seal_month(store, vendor, 12, 31)
    await use(store, vendor, usage_row(date(2023, 11, 21), STORED, 4, booked_day=date(2024, 1, 3)))
    await seal_month(store, vendor, 1, 31)
    await seal(store, vendor, *days_of(date(2024, 2, 1), date(2024, 2, 29)))

    november, december, january, february = await statements_of(client, headers)

    assert {"storage": "300"} == amounts_of(november)
    assert [("2023-11-01", "storage", "60")] == adjusted(december)
    assert [("2023-11-01", "storage", "40"), ("2023-12-01", "storage", "120")] == adjusted(january)
    assert [] == adjusted(february)
    own = [amounts_of(one)["storage"] for one in (december, january, february)]
    assert ["360", "480", "480"] == own
    assert bill["subscriptions"][0]["rating_hash"] == december["rating_hash"]


async def test_late_usage_of_another_kind_rates_no_later_period_again(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Tokens of November that came in January are November's alone."""
    await sell(client, headers)
    await use(store, vendor, usage_row(OCTOBER, STORED, 10))
    await seal_month(store, vendor, 11, 30)
    await seal_month(store, vendor, 12, 31)
    await use(store, vendor, usage_row(NOVEMBER, TOKENS, 7, booked_day=date(2024, 1, 3)))
    await seal_month(store, vendor, 1, 31)

    *_, january = await statements_of(client, headers)
    async with store.transaction() as connection:
        again = await connection.scalars(
            text(
                "select sequence from pricing.period_rating"
                " where vendor_id = :vendor and revision > 0"
            ),
            {"vendor": vendor},
        )

        assert [1] == list(again.all())
    assert [("2023-11-01", "tokens", "7")] == adjusted(january)


@pytest.mark.parametrize(("plan", "storage"), [("stored", "345"), ("tokens", "195")])
async def test_a_part_of_a_period_has_the_level_of_its_own_days(  # noqa: PLR0917 - fixtures
    client: httpx.AsyncClient,
    headers: Headers,
    vendor: str,
    store: Database,
    plan: str,
    storage: str,
) -> None:
    """On the same plan again nothing changes; bought on the 16th, half of (10 + 3) GB is paid."""
    await sell(client, headers, plan)
    await use(
        store, vendor, usage_row(OCTOBER, STORED, 10), usage_row(date(2023, 11, 16), STORED, 3)
    )
    changed = await change(client, headers, "plan", "2023-11-16", plan="stored")
    assert changed.is_success, changed.text
    await seal_month(store, vendor, 11, 30)

    (statement,) = await statements_of(client, headers)

    assert storage == amounts_of(statement)["storage"]


async def test_only_plans_with_a_price_of_a_level_read_it(
    client: httpx.AsyncClient,
    headers: Headers,
    vendor: str,
    store: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bill and a closing of another plan ask for nothing before its period."""
    asked: list[Any] = []

    async def counted(connection: Any, account: Any, wanted: Any) -> Any:
        asked.extend(wanted)
        return await levels.read_before(connection, account, wanted)

    monkeypatch.setattr(beside_usage, "read_before", counted)
    await publish_demo(client, headers)
    await sell(client, headers, "tokens")
    await client.get("/v1/tenants/globex/bill", headers=headers)
    await seal_month(store, vendor, 11, 30)

    assert [] == asked
    assert 1 == len(await statements_of(client, headers))
