"""Whatever the terms of a tenant are, a simulation says of today what its statements came to."""

from datetime import date
from fractions import Fraction
from typing import Any

import httpx
import pytest

from services.pricing.settings import PricingSettings
from services.pricing.simulating import Simulator
from shared.database import Database
from shared.money import parse_exact
from tests.support.pricing_service import Metering
from tests.support.pricing_usage import usage_row

from . import seats_api, subscription_api
from .billing_api import TERMS, Headers, days_of, publish_demo, seal, seal_november, statements_of
from .seats_api import Used, november, sell_seats
from .simulation_api import Answer, by_tenant, simulate, store_rows
from .subscription_api import change, publish_book, subscribe

NOVEMBER = {"start": "2023-11-01", "end": "2023-12-01"}
MILLION = 1_000_000


@pytest.fixture(name="simulator")
def _simulator(store: Database, settings: PricingSettings) -> Simulator:
    return Simulator(store, settings.pricing_database_url.get_secret_value())


async def billed(client: httpx.AsyncClient, headers: Headers) -> Fraction:
    """Return what all statements come to."""
    statements = await statements_of(client, headers)
    return sum((parse_exact(one["total_exact"]) for one in statements), Fraction(0))


def paid(result: Answer, plan: str = "today") -> Fraction:
    return parse_exact(by_tenant(result, plan)["globex"]["revenue"]["exact"])


def choice(book: str, plan: str) -> dict[str, Any]:
    return {"plans": [{"price_book": book, "plan": plan}]}


async def test_several_subscriptions(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Each rates what it claims; a plan that is tried has all of it, on the first one's terms."""
    await publish_book(client, headers)
    await subscribe(client, headers)
    await subscribe(client, headers, "extra", plan="search", starts_on="2023-11-16")
    rows = ((3, "input_uncached", 1_000), (20, "web_search_requests", 100), (2, "images", 7))
    await subscription_api.use(store, vendor, *rows)
    await seal_november(store, vendor)

    result = await simulate(client, headers, simulator, NOVEMBER | choice("sold", "business"))

    # 300, two seats of 30 and 3 of input; 1 of searches.
    assert 364 == await billed(client, headers) == paid(result)
    assert 963 == paid(result, "sold/business")
    assert [["anthropic", "claude-sonnet-4-6", "images"]] == result["plans"][0]["unrated"]


async def test_changes_within_the_month(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """A plan that changes, prices of its own and a pause: today in parts, a tried plan in whole."""
    await publish_book(client, headers)
    await subscribe(client, headers)
    own = [{"target": "charge", "key": "input", "set": {"unit_amount": "1.00"}}]
    for kind, when, values in (
        ("plan", "2023-11-11", {"plan": "business"}),
        ("overrides", "2023-11-16", {"overrides": own}),
        ("pause", "2023-11-21", {}),
        ("resume", "2023-11-26", {}),
        ("seats", "2023-11-27", {"seats": 7}),
    ):
        assert (await change(client, headers, kind, when, **values)).is_success
    rows = [(day, "input_uncached", day * 1_000) for day in (3, 12, 18, 23, 28)]
    await subscription_api.use(store, vendor, *rows)
    await seal_november(store, vendor)

    result = await simulate(client, headers, simulator, NOVEMBER | choice("sold", "team"))

    assert await billed(client, headers) == paid(result)
    # 25 of 30 days due: 250 and two seats of 25; five more seats for four days; 84 at 3.00.
    assert 250 + 50 + 5 * 4 + 252 == paid(result, "sold/team")


async def test_pools_of_seats(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Who holds a seat burns its own pool, day by day, in a simulation as on the statement."""
    await sell_seats(client, headers, standard=2)
    used = [
        Used(user, november(day), millions)
        for user, day, millions in (("ann", 3, 4), ("bob", 9, 1), ("cy", 20, 2), ("ann", 21, 3))
    ]
    await seats_api.use(store, vendor, *used)
    await seal_november(store, vendor)

    result = await simulate(client, headers, simulator, NOVEMBER | choice("sold", "teams"))

    assert await billed(client, headers) == paid(result) == paid(result, "sold/teams")
    assert 3 == result["plans"][0]["people"]["count"]


async def test_late_usage_counts_on_its_day(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Over both months today is the first statements and the adjustment of what came late."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    day, booked = date(2023, 11, 16), date(2023, 12, 3)
    rows = [
        usage_row(day, "input_uncached", 9 * MILLION),
        usage_row(day, "input_uncached", 5 * MILLION, booked_day=booked),
        usage_row(booked, "input_uncached", 1 * MILLION),
    ]
    await store_rows(store, Metering("", vendor), "globex", rows)
    await seal(store, vendor, *days_of(date(2023, 11, 1), date(2023, 12, 31)))
    both = NOVEMBER | {"end": "2024-01-01"} | choice("demo", "support")

    result = await simulate(client, headers, simulator, both)
    november_alone = await simulate(
        client, headers, simulator, NOVEMBER | choice("demo", "support")
    )

    first, second = await statements_of(client, headers)
    assert any(line["adjusts"] for line in second["lines"])
    assert await billed(client, headers) == paid(result)
    assert parse_exact(first["total_exact"]) == paid(november_alone)


async def test_tenants_without_a_bill(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Who has no subscription pays nothing today, and is tried; who is internal is left out."""
    await publish_book(client, headers)
    await client.put("/v1/tenants/lab", json={"name": "L", "billing": "internal"}, headers=headers)
    empty = await simulate(client, headers, simulator, NOVEMBER | choice("sold", "team"))
    for tenant in ("globex", "lab"):
        rows = [usage_row(date(2023, 11, 9), "input_uncached", 1_000)]
        await store_rows(store, Metering("", vendor), tenant, rows)

    result = await simulate(client, headers, simulator, NOVEMBER | choice("sold", "team"))

    assert (0, []) == (empty["tenants"], empty["seats"])
    assert {"lab": "internal: never billed"} == result["left_out"]
    assert [0, 303] == [paid(result), paid(result, "sold/team")]
    assert None is by_tenant(result, "sold/team")["globex"]["change_percent"]
