"""Late and corrected usage on a real database: billed to the period that it belongs to."""

from datetime import date
from fractions import Fraction
from typing import Any

import httpx
import pytest

from examples.demo.catalog import price_book
from services.pricing.handlers.wallets import give
from services.pricing.repository import usage, wallets
from services.pricing.repository.invariants_ledger import check_ledger
from services.pricing.repository.wallets import Wallet
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated, UsageRow
from shared.money import parse_exact
from tests.support.credit_values import grant
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import TERMS, Headers, days_of, publish_demo, seal, statements_of

NOVEMBER, DECEMBER = date(2023, 11, 1), date(2023, 12, 1)
USED_ON, LATE_ON = date(2023, 11, 16), date(2023, 12, 3)
MILLION = 1_000_000


def late(quantity: int, booked_day: date = LATE_ON, **values: Any) -> UsageRow:
    """Return input of November that is booked later."""
    return usage_row(USED_ON, "input_uncached", quantity, booked_day=booked_day, **values)


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


async def begin(client: httpx.AsyncClient, headers: Headers, **values: Any) -> None:
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS | values, headers=headers)


def adjusted(statement: Any) -> list[tuple[str, str, str]]:
    """Return (period, charge, amount) of the adjustment lines."""
    return [
        (line["adjusts"]["period_start"], line["charge"], line["amount_exact"])
        for line in statement["lines"]
        if line["adjusts"]
    ]


@pytest.mark.parametrize(
    ("more", "amount"),
    [
        # 9 M at 4.00, then up to 10 M at 4.00 and the rest at 3.50: not December's 4.00 for all.
        (5 * MILLION, "18"),
        # A correction takes back 2 M of the first tier.
        (-2 * MILLION, "-8"),
    ],
)
async def test_late_usage_is_billed_at_the_tiers_of_its_period(
    client: httpx.AsyncClient,
    headers: Headers,
    books: tuple[Database, str],
    more: int,
    amount: str,
) -> None:
    """The difference stands on the next statement and names its period; in sum it is all at once.

    The running bill said so before the seal.
    """
    store, vendor = books
    await begin(client, headers)
    await use(store, vendor, usage_row(USED_ON, "input_uncached", 9 * MILLION))
    await seal(store, vendor, *days_of(NOVEMBER, date(2023, 11, 30)))
    entry = "usage" if more > 0 else "correction"
    await use(store, vendor, late(more, entry=entry))
    bill = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    await seal(store, vendor, *days_of(DECEMBER, date(2023, 12, 31)))

    first, second = await statements_of(client, headers)

    assert [("2023-11-01", "support-input", amount)] == adjusted(second)
    assert [] == adjusted(first)
    assert 500 + parse_exact(amount) == parse_exact(second["total_exact"])
    assert bill["subscriptions"][0]["rating_hash"] == second["rating_hash"]
    assert first["statement_id"] == second["lines"][-1]["adjusts"]["statement_id"]


@pytest.fixture(name="books")
def _books(store: Database, vendor: str) -> tuple[Database, str]:
    return store, vendor


async def test_the_next_difference_is_to_the_last_rating(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """What came in December and what came in January are billed once each, in whatever order.

    A difference to the first bill would bill December's part twice.
    """
    await begin(client, headers)
    await use(store, vendor, usage_row(USED_ON, "input_uncached", 9 * MILLION))
    await use(store, vendor, late(5 * MILLION), late(20 * MILLION, date(2024, 1, 2)))
    await seal(store, vendor, *days_of(NOVEMBER, date(2024, 1, 31)))
    await seal(store, vendor, *days_of(date(2024, 2, 1), date(2024, 2, 29)))

    made = await statements_of(client, headers)

    # 34 M at once: 40 + 35 + 14 x 3.00 = 117, of which 36 and 18 were billed.
    assert [[], ["18"], ["63"], []] == [[row[2] for row in adjusted(one)] for one in made]
    assert [Fraction(536), 518, 563, 500] == [parse_exact(one["total_exact"]) for one in made]


async def test_what_came_late_to_an_ended_subscription(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """The tenant's next subscription bills it; until there is one, somebody is told."""
    await begin(client, headers, ends_on="2023-11-30")
    await seal(store, vendor, *days_of(NOVEMBER, date(2023, 12, 10)))
    await use(store, vendor, late(1 * MILLION))
    told = (await client.get("/v1/attention", headers=headers)).json()["items"]
    following = TERMS | {"starts_on": "2023-12-11"}
    await client.put("/v1/subscriptions/next", json=following, headers=headers)
    await seal(store, vendor, *days_of(date(2023, 12, 11), date(2024, 1, 31)))

    made = await statements_of(client, headers)
    after = (await client.get("/v1/attention", headers=headers)).json()["items"]

    assert [[], [("2023-11-01", "support-input", "4")], []] == [adjusted(one) for one in made]
    assert (["late_usage_after_end"], []) == ([i["code"] for i in told], after)


async def test_another_currency_bills_nothing_of_it(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """A running subscription in euros cannot take up late usage in dollars: somebody is told."""
    await begin(client, headers, ends_on="2023-11-30")
    await client.put("/v1/price-books/euro", json={"name": "Euro"}, headers=headers)
    version = "/v1/price-books/euro/versions/1"
    await client.put(version, json=price_book() | {"currency": "EUR"}, headers=headers)
    body = {"effective_on": "2023-11-01"}
    await client.post(f"{version}/publish", json=body, headers=headers)
    euros = TERMS | {"price_book": "euro", "starts_on": "2023-12-01"}
    await client.put("/v1/subscriptions/euros", json=euros, headers=headers)
    await seal(store, vendor, *days_of(NOVEMBER, date(2023, 12, 10)))
    await use(store, vendor, late(1 * MILLION))

    told = (await client.get("/v1/attention", headers=headers)).json()["items"]

    assert ["late_usage_after_end"] == [item["code"] for item in told]


async def test_what_credit_paid_of_it_returns_to_its_grant(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """A correction of a period that credit paid gives credit back, to the grant that is over."""
    held = Wallet(vendor, "test", "globex", "USD")
    ended = grant("old", 510, expires_on=DECEMBER)
    await begin(client, headers)
    async with store.transaction() as connection:
        await give(connection, held, ended, on=NOVEMBER, origin="grant")
    await use(store, vendor, usage_row(USED_ON, "input_uncached", 5 * MILLION))
    await seal(store, vendor, *days_of(NOVEMBER, date(2023, 11, 30)))
    await use(store, vendor, late(-3 * MILLION, entry="correction"))
    await seal(store, vendor, *days_of(DECEMBER, date(2023, 12, 31)))

    first, second = await statements_of(client, headers)

    # November was 520, of which credit paid 510; it is 508 now. What returns pays December.
    async with store.transaction() as connection:
        states = await wallets.read_states(connection, held)
        assert [] == (await check_ledger(connection, vendor, None)).offending
    assert [(first["statement_id"], "12")] == [
        (one["statement_id"], one["amount_exact"]) for one in second["returns"]
    ]
    assert [("old", "12")] == [(d["grant_id"], d["amount_exact"]) for d in second["credits"]]
    assert [0] == [state.balance for state in states]
