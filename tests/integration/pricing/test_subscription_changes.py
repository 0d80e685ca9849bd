"""Changing subscriptions: what is stored, what is billed, what is refused."""

from datetime import date
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from services.pricing.repository import subscription_changes
from services.pricing.repository.locks import tenant_partition
from shared.database import Database

from .billing_api import Headers, days_of, execute, seal, seal_november
from .subscription_api import (
    SUBSCRIPTION,
    account_of,
    amounts_of,
    book,
    change,
    preview,
    publish_book,
    statements_of,
    subscribe,
    use,
)


async def tenant_beside(client: httpx.AsyncClient, headers: Headers, vendor: str) -> str:
    """Create a tenant whose days are sealed, and whose periods are closed, with those of globex."""
    account = account_of(vendor)
    names = (f"tenant-{number}" for number in count())
    partition = tenant_partition(account, "globex")
    beside = next(name for name in names if tenant_partition(account, name) == partition)
    await client.put(f"/v1/tenants/{beside}", json={"name": beside}, headers=headers)
    return beside


@pytest.fixture(name="subscribed")
async def _subscribed(client: httpx.AsyncClient, headers: Headers) -> Headers:
    """Publish the book and subscribe globex to its team plan, with two seats."""
    await publish_book(client, headers)
    assert (await subscribe(client, headers)).is_success
    return headers


async def test_an_upgrade_is_billed_by_days(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """Half the month on each plan; seats and usage go on; the statement names its parts."""
    await use(store, vendor, (3, "input_uncached", 1000), (20, "input_uncached", 2000))
    await change(client, subscribed, "plan", "2023-11-16", plan="business")
    await seal_november(store, vendor)
    (statement,) = await statements_of(client, subscribed)

    expected = {"team": "150", "business": "450", "seats": "60", "input": "9"}
    assert expected == amounts_of(statement)
    assert [("2023-11-01", "team"), ("2023-11-16", "business")] == [
        (part["starts_on"], part["plan"]) for part in statement["parts"]
    ]
    assert ("business", "669") == (statement["plan"], statement["total_exact"])


async def test_a_preview_says_what_the_statement_will(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """Words and money before anything is stored; made, the bill is what the preview said."""
    await use(store, vendor, (3, "input_uncached", 1000))
    told = await preview(client, subscribed, "plan", "2023-11-16", plan="business")
    unchanged = (await client.get(f"{SUBSCRIPTION}/changes", headers=subscribed)).json()
    await change(client, subscribed, "plan", "2023-11-16", plan="business")
    bill = (await client.get("/v1/tenants/globex/bill", headers=subscribed)).json()

    assert [
        "From 2023-11-16 on the plan is business of sold, in place of team of sold.",
        "It holds for 15 of the 30 days of the period from 2023-11-01 on.",
    ] == told["words"]
    assert [
        "with the usage so far it comes to 663.00 USD instead of 363.00 USD, 300.00 USD more.",
        "its fees alone come to 960.00 USD instead of 360.00 USD, 600.00 USD more.",
    ] == [period["words"].partition(": ")[2] for period in told["periods"]]
    assert {"changes": []} == unchanged
    assert told["periods"][0]["after_exact"] == bill["subscriptions"][0]["total_exact"]


async def test_every_kind_of_change_is_billed(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """Seats, own prices and a pause in one month: each by its days, own prices with words."""
    await use(store, vendor, (3, "input_uncached", 1000), (27, "input_uncached", 1000))
    own = [{"target": "charge", "key": "input", "set": {"unit_amount": "2.00"}}]
    await change(client, subscribed, "seats", "2023-11-16", seats=4)
    await change(client, subscribed, "overrides", "2023-11-21", overrides=own)
    await change(client, subscribed, "pause", "2023-11-26")
    await seal_november(store, vendor)
    (statement,) = await statements_of(client, subscribed)

    # 25 of 30 days of 300; 2 seats for 25 and 2 more for 10 days at 30; 1000 at 3, 1000 at 2.
    assert {"team": "250", "seats": "70", "input": "5"} == amounts_of(statement)
    (line,) = [line for line in statement["lines"] if line["charge"] == "input"]
    told = "agreed with this tenant: unit_amount 2.00 instead of 3"
    assert [told] == [s["description"] for s in line["steps"] if s["step"] == "override"]


async def test_own_prices_that_do_not_fit_a_later_version_stop_nobody_else(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """Stored before they were checked: that period waits and is told, others close."""
    beside = await tenant_beside(client, subscribed, vendor)
    await subscribe(client, subscribed, "other", tenant_id=beside)
    capped = book()
    capped["charges"] = [
        one | ({"maximum_amount": "50"} if one["key"] == "input" else {})
        for one in capped["charges"]
    ]
    await publish_book(client, subscribed, content=capped, version=2, effective_on="2023-12-01")
    own = [{"target": "charge", "key": "input", "set": {"minimum_amount": "100"}}]
    values = {
        "change_id": str(uuid4()),
        "kind": "overrides",
        "effective_on": date(2023, 12, 1),
        "content": {"overrides": own},
    }
    async with store.transaction() as connection:
        await subscription_changes.add(connection, account_of(vendor), "main", values)
    for last in (date(2023, 11, 30), date(2023, 12, 31)):
        await seal(store, vendor, *days_of(last.replace(day=1), last))
    told = (await client.get("/v1/attention", headers=subscribed)).json()["items"]
    made_of = [row["subscription_id"] for row in await statements_of(client, subscribed)]

    assert ["main", "other", "other"] == sorted(made_of)
    assert [("overrides_do_not_fit", "main")] == [(i["code"], i["subject"]) for i in told]


async def test_a_trial_and_phases_are_part_of_the_subscription(
    client: httpx.AsyncClient, store: Database, vendor: str, headers: Headers
) -> None:
    """Fifteen free days, then the plan; from the 21st the phase's; the same again is no change."""
    await publish_book(client, headers)
    phases = [{"starts_on": "2023-11-21", "plan": "business"}]
    written = await subscribe(client, headers, trial_days=15, phases=phases)
    again = await subscribe(client, headers, trial_days=15, phases=phases)
    other = await subscribe(client, headers, trial_days=14, phases=phases)
    await use(store, vendor, (3, "input_uncached", 1000))
    await seal_november(store, vendor)
    (statement,) = await statements_of(client, headers)

    assert [200, 200, 409] == [written.status_code, again.status_code, other.status_code]
    assert {"team": "50", "business": "300", "seats": "30", "input": "0"} == amounts_of(statement)


async def test_a_cancellation_ends_the_subscription_and_can_be_withdrawn(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """At the end of the period there is none after it; withdrawn, it goes on."""
    first = (await change(client, subscribed, "cancel", "2023-11-16")).json()
    named = first["change"]["change_id"]
    withdrawn = (await change(client, subscribed, "withdraw", change_id=named)).json()
    second = (await change(client, subscribed, "cancel", "2023-12-01")).json()
    await seal_november(store, vendor)
    (statement,) = await statements_of(client, subscribed)
    ended = (await client.get(SUBSCRIPTION, headers=subscribed)).json()
    late = await change(client, subscribed, "seats", "2023-12-05", seats=4)
    listed = (await client.get(f"{SUBSCRIPTION}/changes", headers=subscribed)).json()["changes"]

    assert ["2023-11-15", None, "2023-11-30"] == [
        made["last_day"] for made in (first, withdrawn, second)
    ]
    assert ("360", None) == (statement["total_exact"], ended["open_period"])
    assert "subscription_ended" == late.json()["code"]
    assert [("cancel", True), ("withdraw", False), ("cancel", False)] == [
        (row["kind"], row["withdrawn"]) for row in listed
    ]


async def test_now_and_at_the_end_of_the_period(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """It is 2 December: now is that day, for a cancellation the next; the period ends with it."""
    made = [
        (await change(client, subscribed, "seats", "now", seats=3)).json(),
        (await change(client, subscribed, "plan", "period_end", plan="business")).json(),
        (await change(client, subscribed, "cancel", "now")).json(),
    ]

    assert ["2023-12-02", "2024-01-01", "2023-12-03"] == [
        one["change"]["effective_on"] for one in made
    ]


async def test_the_same_key_changes_once(client: httpx.AsyncClient, subscribed: Headers) -> None:
    """Sent twice it is one row; another body under the key is a conflict."""
    bodies = [{"seats": 3}, {"seats": 3}, {"seats": 4}]
    answers = [
        await change(client, subscribed, "seats", "2023-11-16", key="one", **body)
        for body in bodies
    ]
    listed = (await client.get(f"{SUBSCRIPTION}/changes", headers=subscribed)).json()["changes"]

    assert [201, 201, 409] == [answer.status_code for answer in answers]
    assert (answers[0].json(), 1) == (answers[1].json(), len(listed))


@pytest.mark.parametrize(
    ("kind", "values", "refusal"),
    [
        ("plan", {"when": "2023-11-16", "plan": "none"}, "404 unknown_plan"),
        ("plan", {"when": "2023-11-16", "price_book": "none"}, "404 unknown_price_book"),
        ("plan", {"when": "2023-11-16", "price_version": 7}, "409 no_price_version"),
        ("plan", {"when": "2023-11-16", "price_book": "yen"}, "409 currency_changed"),
        ("seats", {"when": "2023-10-31", "seats": 1}, "409 change_in_billed_period"),
        ("seats", {"when": "2023-11-16", "seats": -1}, "400 invalid_request"),
        ("seats", {"when": "2023-11-31", "seats": 1}, "400 invalid_request"),
        ("seats", {"when": "later", "seats": 1}, "400 invalid_request"),
        ("cancel", {"when": "2023-11-01"}, "409 change_before_start"),
        ("resume", {"when": "2023-11-16"}, "409 already_not_paused"),
        ("surprise", {"when": "now"}, "400 invalid_request"),
        ("withdraw", {"change_id": "0" * 36}, "404 unknown_change"),
    ],
)
async def test_a_bad_change_is_refused(
    client: httpx.AsyncClient,
    subscribed: Headers,
    kind: str,
    values: dict[str, Any],
    refusal: str,
) -> None:
    """Every refusal has its status and a stable code, and stores nothing."""
    await publish_book(client, subscribed, "yen", content=book(currency="JPY"))
    answer = await change(client, subscribed, kind, **values)
    listed = (await client.get(f"{SUBSCRIPTION}/changes", headers=subscribed)).json()["changes"]

    assert refusal == f"{answer.status_code} {answer.json()['code']}"
    assert [] == listed


async def test_all_faults_of_overrides_are_told_at_once(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """Each with its place in what was sent, also where the price book's own rules find it."""
    overrides = [
        {"target": "charge", "key": "none", "set": {"amount": "1"}},
        {"target": "charge", "key": "input", "set": {"model": "volume", "usage": {}}},
    ]
    unreadable = [{"target": "charge", "key": "input", "set": {"unit_amount": "-1", "x": None}}]
    both = [
        await change(client, subscribed, "overrides", "2023-11-16", overrides=written)
        for written in (overrides, unreadable)
    ]

    assert ["invalid_overrides"] * 2 == [answer.json()["code"] for answer in both]
    assert [
        [
            ("unknown_charge", "overrides[0].key"),
            ("field_not_overridable", "overrides[1].set.model"),
            ("field_not_overridable", "overrides[1].set.usage"),
        ],
        [
            ("negative_price", "overrides[0].set.unit_amount"),
            ("unknown_field", "overrides[0].set.x"),
        ],
    ] == [[(f["code"], f["path"]) for f in answer.json()["faults"]] for answer in both]


async def test_a_billed_period_is_never_changed(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """After November's statement its days are closed to every change; December's are open."""
    await seal_november(store, vendor)
    made = await change(client, subscribed, "seats", "2023-12-01", seats=4)
    named = made.json()["change"]["change_id"]
    answers = [
        await change(client, subscribed, "seats", "2023-11-30", seats=3),
        await change(client, subscribed, "withdraw", change_id=named),
    ]

    assert [201, 409, 201] == [one.status_code for one in (made, *answers)]
    assert "change_in_billed_period" == answers[0].json()["code"]


async def test_the_database_keeps_changes(
    client: httpx.AsyncClient, store: Database, vendor: str, subscribed: Headers
) -> None:
    """No row of history is updated or deleted, whoever connects."""
    await change(client, subscribed, "seats", "2023-11-16", seats=4)
    for statement in (
        "update pricing.subscription_change set kind = 'pause' where vendor_id = :vendor",
        "delete from pricing.subscription_change where vendor_id = :vendor",
    ):
        with pytest.raises(DBAPIError, match="immutable"):
            await execute(store, statement, {"vendor": vendor})


async def test_a_tenant_sees_its_own_subscription_only(
    client: httpx.AsyncClient, headers: Headers, subscribed: Headers
) -> None:
    """Another tenant's key is told that there is none; no tenant's key changes anything."""
    await client.put("/v1/tenants/initech", json={"name": "Initech"}, headers=headers)
    body = {"name": "Initech", "tenant_id": "initech", "scopes": ["billing:read"]}
    key = (await client.post("/v1/api-keys", json=body, headers=headers)).json()["api_key"]
    foreign = {"Authorization": f"Bearer {key}"}
    seen = await client.get(f"{SUBSCRIPTION}/changes", headers=foreign)
    made = await change(client, foreign, "cancel", "now")

    assert ["unknown_subscription", 403] == [seen.json()["code"], made.status_code]
