"""Price books over the API, on a real database."""

from copy import deepcopy

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from examples.demo.catalog import price_book
from shared.database import Database

from .billing_api import (
    BOOK,
    FIRST_VERSION,
    TERMS,
    Headers,
    execute,
    publish,
    publish_demo,
    seal_november,
)


async def test_all_faults_of_a_book_are_told_at_once(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A faulty book is refused with every fault, each with its code and place."""
    book = deepcopy(price_book())
    book["currency"] = "ZZZ"
    book["charges"][4]["amount"] = "-1"
    book["charges"][5]["tiers"][1]["up_to"] = "10000000"
    book["plans"][0]["charges"].append("nothing")

    answer = await client.put(FIRST_VERSION, json=book, headers=headers)

    assert (400, "invalid_price_book") == (answer.status_code, answer.json()["code"])
    assert {
        ("unknown_currency", "currency"),
        ("negative_price", "charges[4].amount"),
        ("tier_bounds_equal", "charges[5].tiers[1].up_to"),
        ("unknown_charge", "plans[0].charges[4]"),
    } == {(fault["code"], fault["path"]) for fault in answer.json()["faults"]}


async def test_a_draft_is_written_again_and_read_back(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A draft is replaced by the next write of its number; equal content has an equal hash."""
    first = await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    again = await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    read = await client.get(FIRST_VERSION, headers=headers)

    assert "draft" == first.json()["state"]
    assert first.json() == again.json() == read.json()


async def test_the_next_number_only(client: httpx.AsyncClient, headers: Headers) -> None:
    """A version whose number is not the next one is a conflict."""
    answer = await client.put(f"{BOOK}/versions/2", json=price_book(), headers=headers)

    assert (409, "version_out_of_order") == (answer.status_code, answer.json()["code"])


async def test_a_published_version_never_changes(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """The same write and publication again is the same answer, another one a conflict."""
    published = await publish_demo(client, headers)
    other = deepcopy(price_book())
    other["charges"][4]["amount"] = "501.00"

    same = await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    changed = await client.put(FIRST_VERSION, json=other, headers=headers)
    republished = await publish(client, headers)
    moved = await publish(client, headers, effective_on="2023-12-01")

    assert published == same.json() == republished.json()
    assert (409, "version_published") == (changed.status_code, changed.json()["code"])
    assert (409, "version_published") == (moved.status_code, moved.json()["code"])


@pytest.mark.parametrize(
    "statement",
    [
        "update pricing.price_version set content = '{}' where vendor_id = :vendor",
        "update pricing.price_version set effective_on = null where vendor_id = :vendor",
        "delete from pricing.price_version where vendor_id = :vendor",
        "truncate pricing.price_version",
        "update pricing.statement set total_exact = '0' where vendor_id = :vendor",
        "delete from pricing.statement where vendor_id = :vendor",
        "truncate pricing.statement",
    ],
)
async def test_the_database_refuses_to_change_what_was_published_or_stated(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database, statement: str
) -> None:
    """Not even the owner of the schema changes a published version or a statement."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await seal_november(store, vendor)

    named = {"vendor": vendor} if ":vendor" in statement else {}
    with pytest.raises(DBAPIError, match="immutable"):
        await execute(store, statement, named)


async def test_a_draft_may_be_changed_by_hand(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """The guard is for what is published: the same statement changes a draft."""
    await client.put(FIRST_VERSION, json=price_book(), headers=headers)

    statement = "update pricing.price_version set content_hash = '' where vendor_id = :vendor"
    changed = await execute(store, statement, {"vendor": vendor})

    assert 1 == changed


async def test_a_version_is_not_effective_in_a_billed_period(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """A new version reaches only periods that are not billed yet."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await seal_november(store, vendor)
    second = f"{BOOK}/versions/2"
    await client.put(second, json=price_book(), headers=headers)

    inside = await client.post(
        f"{second}/publish", json={"effective_on": "2023-11-30"}, headers=headers
    )
    after = await client.post(
        f"{second}/publish", json={"effective_on": "2023-12-01"}, headers=headers
    )

    assert (409, "effective_in_billed_period") == (inside.status_code, inside.json()["code"])
    assert (200, "published") == (after.status_code, after.json()["state"])


async def test_a_period_that_waits_for_a_price_is_closed_by_publishing(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Sealed days without a price are shown, and billed as soon as there is one."""
    await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await seal_november(store, vendor)
    waiting = await client.get("/v1/attention", headers=headers)
    await publish(client, headers)

    found = await client.get("/v1/statements", headers=headers)

    assert ["no_price_version"] == [item["code"] for item in waiting.json()["items"]]
    assert ["500"] == [row["total_exact"] for row in found.json()["statements"]]


async def test_a_plan_that_the_version_in_force_lacks_is_told(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A period that is not billed because its version has no such plan waits for a person."""
    await publish_demo(client, headers)
    content = price_book()
    content["plans"].append({**content["plans"][0], "key": "new"})
    await client.put(f"{BOOK}/versions/2", json=content, headers=headers)
    await client.put("/v1/subscriptions/main", json={**TERMS, "plan": "new"}, headers=headers)

    waiting = await client.get("/v1/attention", headers=headers)

    assert [("plan_not_in_version", "main")] == [
        (item["code"], item["subject"]) for item in waiting.json()["items"]
    ]
