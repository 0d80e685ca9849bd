"""Moving the subscriptions of a book to another version: previewed, in cohorts, all or none."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.database import Database

from .billing_api import Headers, seal_november
from .subscription_api import (
    Answer,
    amounts_of,
    book,
    publish_book,
    statements_of,
    subscribe,
    use,
)

MIGRATIONS = "/v1/price-books/sold/migrations"
TIERS: list[Answer] = [
    {"up_to": "10", "unit_amount": "3", "flat_amount": "7"},
    {"up_to": None, "unit_amount": "1", "flat_amount": "9"},
]


def tiered(*prices: str, name: str = "Input") -> Answer:
    """Return the book with a graduated price of input, the tiers at these prices."""
    content = book()
    tiers = [{**tier, "unit_amount": price} for tier, price in zip(TIERS, prices, strict=True)]
    content["charges"][3] = {
        "model": "graduated",
        "key": "input",
        "name": name,
        "usage": {"kinds": ["input_uncached"]},
        "tiers": tiers,
    }
    return content


async def migrate(
    client: httpx.AsyncClient, headers: Headers, *, path: str = "", **body: Any
) -> httpx.Response:
    named = {} if path else {"Idempotency-Key": body.pop("key", str(uuid4()))}
    return await client.post(f"{MIGRATIONS}{path}", json=body, headers={**headers, **named})


@pytest.fixture(name="versions")
async def _versions(client: httpx.AsyncClient, headers: Headers) -> Headers:
    """Publish a version for November and one for December; subscribe three tenants."""
    await publish_book(client, headers, content=tiered("3", "1"))
    later = tiered("4", "2")
    await publish_book(client, headers, content=later, version=2, effective_on="2023-12-01")
    for name, tenant in (("main", "globex"), ("one", "hooli"), ("two", "initech")):
        await client.put(f"/v1/tenants/{tenant}", json={"name": tenant}, headers=headers)
        await subscribe(client, headers, name, tenant_id=tenant, seats=0)
    return headers


async def test_a_migration_splits_the_period(
    client: httpx.AsyncClient, store: Database, vendor: str, versions: Headers
) -> None:
    """8 units at the old version; 12 more go on from there at the new one, flats not twice."""
    await use(store, vendor, (3, "input_uncached", 8), (20, "input_uncached", 12))
    body: Answer = {"subscriptions": ["main"], "to": {"price_version": 2}}
    cohorts = [{"percent": 100, "when": "2023-11-16"}]
    moved = (await migrate(client, versions, **body, cohorts=cohorts)).json()
    await seal_november(store, vendor)
    (statement,) = [
        one for one in await statements_of(client, versions) if one["tenant_id"] == "globex"
    ]

    assert ["main"] == [one["subscription_id"] for one in moved["subscriptions"]]
    expected = str(8 * 3 + 7 + 2 * 4 + 10 * 2 + 9)
    assert {"team": "300", "input": expected} == amounts_of(statement)
    assert [1, 2] == [part["price_version"] for part in statement["parts"]]


async def test_an_identical_version_changes_nothing(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """Migrated to a version with the same prices, the month comes to the same, as told before."""
    await publish_book(client, headers, content=tiered("3", "1"))
    same = tiered("3", "1", name="Input tokens")
    await publish_book(client, headers, content=same, version=2, effective_on="2023-12-01")
    await subscribe(client, headers)
    await use(store, vendor, (3, "input_uncached", 8), (20, "input_uncached", 12))
    body: Answer = {"to": {"price_version": 2}, "cohorts": [{"percent": 100, "when": "2023-11-16"}]}
    told = (await migrate(client, headers, path="/preview", **body)).json()
    await migrate(client, headers, **body)
    await seal_november(store, vendor)
    (statement,) = await statements_of(client, headers)

    assert ["416.00 USD instead of 416.00 USD, 0.00 USD more"] == [
        one["words"] for one in told["sums"]
    ]
    assert str(300 + 60 + 10 * 3 + 7 + 10 * 1 + 9) == statement["total_exact"]


async def test_cohorts_pages_and_the_preview(client: httpx.AsyncClient, versions: Headers) -> None:
    """Everybody is in one cohort, page by page; the preview has the same days and the sums."""
    body: Answer = {
        "to": {"plan": "business"},
        "cohorts": [{"percent": 50, "when": "2023-12-16"}, {"percent": 50, "when": "period_end"}],
    }
    told = (await migrate(client, versions, path="/preview", **body)).json()
    first = (await migrate(client, versions, **body, limit=2)).json()
    second = (await migrate(client, versions, **body, limit=2, after=first["next_after"])).json()
    moved = first["subscriptions"] + second["subscriptions"]

    assert (["main", "one", "two"], "one", None) == (
        [one["subscription_id"] for one in moved],
        first["next_after"],
        second["next_after"],
    )
    shown = [{n: one[n] for n in one if n != "preview"} for one in told["subscriptions"]]
    assert moved == shown
    assert {1: "2023-12-16", 2: "2024-01-01"}.items() >= {
        (one["cohort"], one["effective_on"]) for one in moved
    }
    assert ["USD"] == [one["currency"] for one in told["sums"]]


async def test_sent_twice_it_moves_once(client: httpx.AsyncClient, versions: Headers) -> None:
    """The same key and body is one migration: one change for each subscription."""
    body: Answer = {"to": {"plan": "business"}, "cohorts": [{"percent": 100, "when": "now"}]}
    answers = [await migrate(client, versions, **body, key="moved") for _ in range(2)]
    changes = (await client.get("/v1/subscriptions/one/changes", headers=versions)).json()

    assert answers[0].json() == answers[1].json()
    assert 1 == len(changes["changes"])


async def test_one_that_cannot_move_stops_all(
    client: httpx.AsyncClient, store: Database, vendor: str, versions: Headers
) -> None:
    """Every subscription in the way is named, and none is moved."""
    await seal_november(store, vendor)
    cohorts = [{"percent": 100, "when": "2023-11-16"}]
    named = ["main", "nobody", "one"]
    to = {"price_version": 2}
    refused = await migrate(client, versions, subscriptions=named, to=to, cohorts=cohorts)
    changes = (await client.get("/v1/subscriptions/one/changes", headers=versions)).json()

    assert (409, "migration_refused") == (refused.status_code, refused.json()["code"])
    faults = {(fault["path"], fault["code"]) for fault in refused.json()["faults"]}
    assert {
        ("main", "change_in_billed_period"),
        ("nobody", "unknown_subscription"),
    } <= faults
    assert {"changes": []} == changes


async def test_a_version_is_stayed_on_or_left(
    client: httpx.AsyncClient, store: Database, vendor: str, versions: Headers
) -> None:
    """Told to stay, December is still at version 1; else the version in force takes over."""
    for names, stays in ((["main"], True), (["one"], False)):
        to = {"price_version": 1, "stays": stays}
        cohorts = [{"percent": 100, "when": "2023-11-01"}]
        await migrate(client, versions, subscriptions=names, to=to, cohorts=cohorts)
    for tenant in ("globex", "hooli"):
        await seal_november(store, vendor, tenant=tenant)

    bills = [
        (await client.get(f"/v1/tenants/{tenant}/bill", headers=versions)).json()["subscriptions"]
        for tenant in ("globex", "hooli")
    ]
    assert [("2023-12-01", 1), ("2023-12-01", 2)] == [
        (bill["period_start"], bill["price_version"]) for (bill,) in bills
    ]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"cohorts": []}, "400 invalid_request"),
        ({"cohorts": [{"percent": 101, "when": "now"}]}, "400 invalid_request"),
        ({"cohorts": [{"percent": 60, "when": "now"}] * 2}, "400 invalid_request"),
        ({"cohorts": [{"percent": 100, "when": "soon"}]}, "400 invalid_request"),
        ({"to": {"price_version": 9}}, "409 migration_refused"),
        ({"to": {"plan": "none"}}, "409 migration_refused"),
        ({"subscriptions": []}, "400 invalid_request"),
    ],
)
async def test_a_bad_migration_is_refused(
    client: httpx.AsyncClient, versions: Headers, body: Answer, refusal: str
) -> None:
    """Every refusal has its status and a stable code; a preview is refused alike."""
    whole = {"to": {}, "cohorts": [{"percent": 100, "when": "now"}], **body}
    answers = [await migrate(client, versions, path=path, **whole) for path in ("", "/preview")]

    assert [refusal] * 2 == [f"{one.status_code} {one.json()['code']}" for one in answers]


async def test_nobody_moves_to_a_retired_version(
    client: httpx.AsyncClient, store: Database, vendor: str, versions: Headers
) -> None:
    """Once nothing is billed with it any more it can retire, and then nothing new starts on it."""
    retire = "/v1/price-books/sold/versions/1/retire"
    stays: Answer = {"to": {"price_version": 1}, "cohorts": [{"percent": 100, "when": "now"}]}
    for tenant in ("globex", "hooli", "initech"):
        await seal_november(store, vendor, tenant=tenant)
    retired = await client.post(retire, headers=versions)
    moved = await migrate(client, versions, **stays)

    assert 200 == retired.status_code, retired.text
    assert {"version_retired"} == {fault["code"] for fault in moved.json()["faults"]}


async def test_a_version_that_is_stayed_on_is_in_use(
    client: httpx.AsyncClient, store: Database, vendor: str, versions: Headers
) -> None:
    """A subscription that was told to stay keeps its version from being retired."""
    stays: Answer = {"to": {"price_version": 1}, "cohorts": [{"percent": 100, "when": "now"}]}
    for tenant in ("globex", "hooli", "initech"):
        await seal_november(store, vendor, tenant=tenant)
    await migrate(client, versions, subscriptions=["main"], **stays)
    retired = await client.post("/v1/price-books/sold/versions/1/retire", headers=versions)

    assert ("version_in_use", "main") == (retired.json()["code"], retired.json()["subject"])


async def test_a_preview_knows_the_terms_of_the_days(
    client: httpx.AsyncClient, store: Database, vendor: str, versions: Headers
) -> None:
    """Seats and a plan that changed before, own prices that hold later: as the statement says."""
    await use(store, vendor, (3, "input_uncached", 8), (28, "input_uncached", 12))
    changes: list[Answer] = [
        {"kind": "seats", "when": "2023-11-11", "seats": 3},
        {"kind": "plan", "when": "2023-11-16", "plan": "business"},
        {
            "kind": "overrides",
            "when": "2023-11-26",
            "overrides": [{"target": "charge", "key": "seats", "set": {"unit_amount": "24"}}],
        },
    ]
    for one in changes:
        named = {**versions, "Idempotency-Key": str(uuid4())}
        path = "/v1/subscriptions/main/changes"
        assert (await client.post(path, json=one, headers=named)).is_success
    body: Answer = {"to": {"price_version": 2}, "cohorts": [{"percent": 100, "when": "2023-11-21"}]}
    body["subscriptions"] = ["main"]
    told = (await migrate(client, versions, path="/preview", **body)).json()
    bill = (await client.get("/v1/tenants/globex/bill", headers=versions)).json()
    await migrate(client, versions, **body)
    await seal_november(store, vendor)
    (statement,) = [
        one for one in await statements_of(client, versions) if one["tenant_id"] == "globex"
    ]

    (sums,) = told["sums"]
    assert bill["subscriptions"][0]["total_exact"] == sums["before_exact"]
    assert statement["total_exact"] == sums["after_exact"] != sums["before_exact"]
    assert "business" == statement["plan"]
