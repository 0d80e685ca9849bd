"""What a version changes in money: last month as it is billed, by the terms of its days."""

from typing import Any

import httpx
import pytest

from shared.database import Database

from .billing_api import Headers, seal_november
from .subscription_api import (
    Answer,
    book,
    change,
    publish_book,
    statements_of,
    subscribe,
    use,
)

PATH = "/v1/price-books/sold/versions"


@pytest.fixture(name="subscribed")
async def _subscribed(client: httpx.AsyncClient, headers: Headers) -> Headers:
    """Put globex on the team plan with two seats; the next version is a draft: all dearer."""
    await publish_book(client, headers)
    assert (await subscribe(client, headers)).is_success
    dearer = book("4.00")
    dearer["charges"][2]["unit_amount"] = "33.00"
    await client.put(f"{PATH}/2", json=dearer, headers=headers)
    return headers


async def money(client: httpx.AsyncClient, headers: Headers, query: str = "") -> Answer:
    answer = await client.get(f"{PATH}/2/diff{query}", headers=headers)
    assert answer.is_success, answer.text
    found: Answer = answer.json()["money"]
    return found


def pair(amounts: Answer) -> tuple[str, str]:
    return amounts["before_exact"], amounts["after_exact"]


def by_subscription(found: Answer) -> dict[str, Any]:
    return {
        one["subscription_id"]: one["amounts"] and pair(one["amounts"])
        for one in found["subscriptions"]
    }


async def test_the_terms_of_the_days_are_compared(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """Own prices, seats and a plan that changed within the month: as its statement has them."""
    await use(store, vendor, (3, "input_uncached", 1000), (20, "input_uncached", 2000))
    own = [{"target": "charge", "key": "input", "set": {"unit_amount": "2.00"}}]
    await change(client, subscribed, "overrides", "2023-11-11", overrides=own)
    await change(client, subscribed, "seats", "2023-11-16", seats=4)
    await change(client, subscribed, "plan", "2023-11-21", plan="business")
    found = await money(client, subscribed)
    await seal_november(store, vendor)
    (statement,) = await statements_of(client, subscribed)

    # 20 days of 300 and 10 of 900; 2 seats, and 2 more for half the month; 1000 at the book's
    # price, 2000 at the tenant's own, which no version changes.
    before = 200 + 300 + (2 + 1) * 30 + 3 + 2 * 2
    after = 200 + 300 + (2 + 1) * 33 + 4 + 2 * 2
    assert (str(before), str(after)) == pair(found["total"])
    assert str(before) == statement["total_exact"]
    assert {"business": ("300", "300"), "input": ("7", "8"), "seats": ("90", "99")}.items() <= {
        one["charge"]: pair(one) for one in found["charges"]
    }.items()
    assert ["business"] == [one["plan"] for one in found["subscriptions"]]


async def test_free_and_paused_days_cost_nothing(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """Ten days of trial and ten of a pause: a third of the fees, by both versions."""
    await publish_book(client, headers)
    await subscribe(client, headers, trial_days=10)
    await change(client, headers, "pause", "2023-11-21")
    dearer = book()
    dearer["charges"][0]["amount"] = "330.00"
    await client.put(f"{PATH}/2", json=dearer, headers=headers)
    found = await money(client, headers)
    await seal_november(store, vendor)
    (statement,) = await statements_of(client, headers)

    assert ("120", "130") == pair(found["total"])
    assert "120" == statement["total_exact"]


async def test_only_days_of_the_subscription_count(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """From the 16th on half the fees and later usage alone; one of December has nothing."""
    await use(store, vendor, (3, "input_uncached", 1000))
    for name, starts_on in (("hooli", "2023-11-16"), ("initech", "2023-12-01")):
        await client.put(f"/v1/tenants/{name}", json={"name": name}, headers=subscribed)
        await subscribe(client, subscribed, name, tenant_id=name, starts_on=starts_on)

    found = await money(client, subscribed)

    assert {"main": ("363", "370"), "hooli": ("180", "183"), "initech": None} == by_subscription(
        found
    )
    assert ("543", "553") == pair(found["total"])


async def test_who_stays_on_a_version_pays_the_same(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """A named version is priced by itself; left at a later one, it is compared like others."""
    await change(client, subscribed, "plan", "2023-11-01", price_version=1)
    stays = await money(client, subscribed)
    await change(client, subscribed, "plan", "2023-11-02", price_version=1, stays=False)
    leaves = await money(client, subscribed)

    assert ("360", "360") == pair(stays["total"])
    assert "0" != leaves["total"]["difference_exact"]


async def test_days_on_another_book_are_priced_by_that(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """Half the month on each; only the half on this book changes. Elsewhere all month: nothing."""
    await publish_book(client, subscribed, "other")
    await change(client, subscribed, "plan", "2023-11-16", price_book="other")
    half = await money(client, subscribed)
    await change(client, subscribed, "plan", "2023-11-01", price_book="other")
    none = await money(client, subscribed)

    assert ("360", "363") == pair(half["total"])
    assert {"main": None} == by_subscription(none)


async def test_usage_of_several_subscriptions_is_counted_once(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """What the other claims is no unrated usage of the one."""
    await use(store, vendor, (3, "input_uncached", 1000), (3, "web_search_requests", 100))
    await subscribe(client, subscribed, "searching", plan="search")

    found = await money(client, subscribed)

    assert {"main": ("363", "370"), "searching": ("1", "1")} == by_subscription(found)
    assert [0, 0] == [one["unrated_before"] for one in found["subscriptions"]]


async def test_a_plan_that_a_version_lacks_is_not_compared(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """Nor is it in the sums."""
    content = book()
    content["plans"] = content["plans"][1:]
    await client.put(f"{PATH}/2", json=content, headers=subscribed)

    found = await money(client, subscribed)

    assert ({"main": None}, ("0", "0")) == (by_subscription(found), pair(found["total"]))
