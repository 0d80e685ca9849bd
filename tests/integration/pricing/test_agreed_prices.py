"""A tenant's own prices and the versions they meet: what does not fit is refused, and told."""

import asyncio
from copy import deepcopy
from typing import Any

import httpx
import pytest

from shared.database import Database

from .billing_api import Headers
from .meter_values_api import PEOPLE, charge, define
from .subscription_api import SUBSCRIPTION, Answer, book, change, publish_book, subscribe

PATH = "/v1/price-books/sold/versions"
MINIMUM = {"target": "charge", "key": "input", "set": {"minimum_amount": "100"}}
DEARER_SEATS = {"target": "charge", "key": "seats", "set": {"unit_amount": "40"}}
NEVER_FITS = "minimum_above_maximum"


@pytest.fixture(name="subscribed")
async def _subscribed(client: httpx.AsyncClient, headers: Headers) -> Headers:
    await publish_book(client, headers)
    assert (await subscribe(client, headers)).is_success
    return headers


def changed(key: str, **values: Any) -> Answer:
    """Return the book with another charge of a key."""
    content = deepcopy(book())
    content["charges"] = [one | (values if one["key"] == key else {}) for one in content["charges"]]
    return content


def without_seats() -> Answer:
    content = deepcopy(book())
    content["charges"] = [one for one in content["charges"] if one["key"] != "seats"]
    for plan in content["plans"]:
        plan["charges"] = [key for key in plan["charges"] if key != "seats"]
    return content


async def publish_second(
    client: httpx.AsyncClient, headers: Headers, content: Answer, day: str = "2024-01-01"
) -> httpx.Response:
    return await publish_book(client, headers, content=content, version=2, effective_on=day)


async def agree(
    client: httpx.AsyncClient, headers: Headers, *overrides: Answer, when: str = "2023-12-16"
) -> httpx.Response:
    return await change(client, headers, "overrides", when, overrides=list(overrides))


def told(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(fault["code"], fault["path"]) for fault in answer.json().get("faults", [])]


async def test_a_version_that_stored_overrides_do_not_fit_is_not_published(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """Every fault of every subscription at once; when the last is out of the way it is sold."""
    await client.put("/v1/tenants/acme", json={"name": "Acme"}, headers=subscribed)
    await subscribe(client, subscribed, "other", tenant_id="acme")
    assert (await agree(client, subscribed, MINIMUM, DEARER_SEATS)).is_success
    body = {"kind": "overrides", "when": "2024-01-01", "overrides": [DEARER_SEATS]}
    named = {**subscribed, "Idempotency-Key": "other"}
    path = "/v1/subscriptions/other/changes"
    assert (await client.post(path, json=body, headers=named)).is_success
    dropped = without_seats()
    dropped["charges"][2] |= {"maximum_amount": "50"}

    refused = await publish_second(client, subscribed, dropped)
    draft = (await client.get(f"{PATH}/2/faults", headers=subscribed)).json()
    before = (await client.get(f"{PATH}/2", headers=subscribed)).json()
    for subscription in ("main", "other"):
        ended = {"kind": "overrides", "when": "2024-01-01", "overrides": []}
        named = {**subscribed, "Idempotency-Key": f"end-{subscription}"}
        path = f"/v1/subscriptions/{subscription}/changes"
        assert (await client.post(path, json=ended, headers=named)).is_success
    published = await publish_second(client, subscribed, dropped)

    assert (409, "not_publishable") == (refused.status_code, refused.json()["code"])
    assert [
        ("unknown_charge", "subscriptions.main.overrides[1].key"),
        (NEVER_FITS, "subscriptions.main.overrides[0].set.minimum_amount"),
        ("unknown_charge", "subscriptions.other.overrides[0].key"),
    ] == told(refused)
    assert refused.json()["faults"] == draft["faults"]
    assert "draft" == before["state"]
    assert (200, "published") == (published.status_code, published.json()["state"])


async def test_a_difference_tells_what_keeps_a_version_from_being_published(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """Of a draft and of a content that was sent, from a day on; a published version has none."""
    await agree(client, subscribed, DEARER_SEATS)
    await agree(client, subscribed, when="2024-02-01")
    content = without_seats()
    await client.put(f"{PATH}/2", json=content, headers=subscribed)
    query = "effective_on=2024-02-01"

    answers = [
        await client.get(f"{PATH}/2/diff", headers=subscribed),
        await client.post("/v1/price-books/sold/diff", json=content, headers=subscribed),
        await client.get(f"{PATH}/2/diff?{query}", headers=subscribed),
        await client.get(f"{PATH}/2/faults?{query}", headers=subscribed),
        await client.get(f"{PATH}/1/diff", headers=subscribed),
    ]

    own = [("unknown_charge", "subscriptions.main.overrides[0].key")]
    assert [own, own, [], [], []] == [told(answer) for answer in answers]


async def test_an_agreement_that_ends_before_a_version_holds_it_up_no_more(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """Up to the end of the year there are dearer seats, from then on the book without any."""
    await agree(client, subscribed, DEARER_SEATS)
    await agree(client, subscribed, when="2024-01-01")

    assert (await publish_second(client, subscribed, without_seats())).is_success


async def test_whoever_stays_on_a_version_keeps_the_agreement(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """A named version is priced by itself, whatever is published; leaving it is refused then."""
    await change(client, subscribed, "plan", "2023-12-05", price_version=1)
    await agree(client, subscribed, DEARER_SEATS)
    published = await publish_second(client, subscribed, without_seats())
    left = await change(client, subscribed, "plan", "2024-01-01", price_version=2)
    seen = await client.post(
        f"{SUBSCRIPTION}/changes/preview",
        json={"kind": "plan", "when": "2024-01-01", "price_version": 2},
        headers=subscribed,
    )

    assert published.is_success
    assert (409, "overrides_do_not_fit") == (left.status_code, left.json()["code"])
    assert [("unknown_charge", "overrides[0].key")] == told(left)
    assert left.json() == seen.json()


async def test_overrides_fit_the_versions_to_come_as_well(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """January's version is published already when something is agreed in December."""
    await publish_second(client, subscribed, changed("input", maximum_amount="50"))

    refused = await agree(client, subscribed, MINIMUM)
    until = await agree(client, subscribed, when="2024-01-01")
    made = await agree(client, subscribed, MINIMUM)

    assert (409, "overrides_do_not_fit") == (refused.status_code, refused.json()["code"])
    assert [(NEVER_FITS, "overrides[0].set.minimum_amount")] == told(refused)
    assert "version 2 of sold" in refused.json()["faults"][0]["message"]
    assert [True, True] == [until.is_success, made.is_success]


async def test_of_an_agreement_and_a_version_at_once_one_is_made(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """Neither is checked while the other is on its way: exactly one of them is refused."""
    await client.put(f"{PATH}/2", json=without_seats(), headers=subscribed)
    publish = client.post(
        f"{PATH}/2/publish", json={"effective_on": "2024-01-01"}, headers=subscribed
    )

    answers = await asyncio.gather(agree(client, subscribed, DEARER_SEATS), publish)

    assert [True, False] == sorted((answer.is_success for answer in answers), reverse=True)
    assert {409} == {answer.status_code for answer in answers if not answer.is_success}


async def test_a_withdrawal_brings_back_only_what_fits(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """The end of an agreement let January's version be published: it cannot be taken back."""
    await agree(client, subscribed, MINIMUM)
    ended = (await agree(client, subscribed, when="2024-01-01")).json()["change"]["change_id"]
    await publish_second(client, subscribed, changed("input", maximum_amount="50"))

    refused = await change(client, subscribed, "withdraw", change_id=ended)

    assert (409, "overrides_do_not_fit") == (refused.status_code, refused.json()["code"])


async def test_phases_fit_the_versions_of_their_days(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """Of a faulty phase nothing is stored, nor of the subscription."""
    await publish_second(client, subscribed, changed("input", maximum_amount="50"))
    await client.put("/v1/tenants/acme", json={"name": "Acme"}, headers=subscribed)
    acme = {"tenant_id": "acme"}
    phases = [{"starts_on": "2023-12-16", "overrides": [MINIMUM]}]
    ended = {"starts_on": "2024-01-01", "overrides": []}

    refused = await subscribe(client, subscribed, "phased", phases=phases, **acme)
    unknown = await client.get("/v1/subscriptions/phased", headers=subscribed)
    made = await subscribe(client, subscribed, "phased", phases=[*phases, ended], **acme)

    assert (409, "overrides_do_not_fit") == (refused.status_code, refused.json()["code"])
    assert [404, True] == [unknown.status_code, made.is_success]


async def test_what_was_agreed_about_another_book_is_no_fault(
    client: httpx.AsyncClient, subscribed: Headers
) -> None:
    """On a book that never had such a charge it means nothing."""
    await agree(client, subscribed, DEARER_SEATS)
    await publish_book(client, subscribed, "flat", content=without_seats())

    moved = await change(client, subscribed, "plan", "2023-12-20", price_book="flat")
    published = await publish_book(
        client, subscribed, "flat", content=without_seats(), version=2, effective_on="2024-01-01"
    )

    assert [True, True] == [moved.is_success, published.is_success]


@pytest.mark.parametrize(
    ("key", "values", "fault"),
    [
        (
            "people",
            {"conversion": {"unit": "c", "rates": [{"kinds": ["x"], "units": "1"}]}},
            ("meter_not_converted", "overrides[0].set.conversion.rates"),
        ),
        ("paid", {"min_per_event": "1"}, ("needs_a_meter", "overrides[0].set")),
        (
            "cells",
            {"cells": [{"kinds": ["meter:none@1"], "unit_amount": "1"}]},
            ("unknown_meter", "overrides[0].set.cells[0].kinds[0]"),
        ),
        (
            "cells",
            {"cells": [{"kinds": [PEOPLE], "unit_amount": "1"}]},
            ("meter_needs_one_price", "overrides[0].set"),
        ),
    ],
    ids=["single value", "single events", "unknown meter", "by row"],
)
async def test_an_override_that_would_leave_usage_unrated_is_refused(
    client: httpx.AsyncClient,
    headers: Headers,
    store: Database,
    vendor: str,
    *,
    key: str,
    values: Answer,
    fault: tuple[str, str],
) -> None:
    """The same rules hold as for a book beside the meters that there are."""
    await define(store, vendor)
    cells = [{"kinds": ["input_audio"], "unit_amount": "1"}]
    payments = {"model": "percentage", "rate_percent": "3", "usage": {"kinds": ["payments"]}}
    content = book()
    content["charges"] += [
        charge("people", "5.00", PEOPLE),
        {"key": "paid", "name": "Paid", **payments},
        {"key": "cells", "name": "Cells", "model": "matrix", "cells": cells},
    ]
    content["plans"][0]["charges"] += ["people", "paid"]
    content["plans"][1]["charges"] += ["cells"]
    assert (await publish_book(client, headers, content=content)).is_success
    await subscribe(client, headers)

    refused = await agree(client, headers, {"target": "charge", "key": key, "set": values})

    assert (400, "invalid_overrides") == (refused.status_code, refused.json()["code"])
    assert [fault] == told(refused)
