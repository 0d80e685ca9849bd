"""What is wrong with a version only beside meters and usage is told when it is published."""

from datetime import date
from typing import Any

import httpx
import pytest

from services.pricing.handlers.meters import remember_meter
from services.pricing.handlers.usage import store_usage
from shared.database import Database
from shared.events.usage_aggregated import MeterDefined
from tests.support.pricing_service import Metering
from tests.support.pricing_usage import usage_row

from .billing_api import BOOK, FIRST_VERSION, TERMS, Headers, publish

ACTIONS = "meter:agent-actions@1"


def book(*kinds: str, **values: Any) -> dict[str, Any]:
    """Return a book with one charge for some kinds of one model."""
    usage = {"kinds": list(kinds), "models": ["claude-*"]}
    charge = {"key": "use", "name": "Use", "model": "per_unit", "unit_amount": "1", "usage": usage}
    plan = {"key": "support", "name": "Support", "charges": ["use"]}
    return {"currency": "USD", "charges": [charge], "plans": [plan], **values}


async def use(store: Database, vendor: str, *rows: tuple[date, str, int, dict[str, Any]]) -> None:
    made = [usage_row(day, kind, quantity, **values) for day, kind, quantity, values in rows]
    async with store.transaction() as connection:
        await store_usage(connection, Metering("", vendor).usage("globex", made))


async def define(store: Database, vendor: str, name: str, version: int) -> None:
    message = MeterDefined(
        vendor_id=vendor, mode="test", name=name, meter_version=version, is_additive=True
    )
    async with store.transaction() as connection:
        await remember_meter(connection, message)
        await remember_meter(connection, message)


async def subscribed(client: httpx.AsyncClient, headers: Headers, content: Any) -> None:
    """Write the first version and put globex on its plan."""
    await client.put(FIRST_VERSION, json=content, headers=headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)


def told(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(fault["path"], fault["message"]) for fault in answer.json()["faults"]]


async def test_a_meter_that_does_not_exist_is_told_when_a_book_is_published(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Each place that names an unknown meter is a fault; once it is defined the book is sold."""
    content = book("output_text", ACTIONS, "meter:agent-actions@2", "meter:*")
    draft = await client.put(FIRST_VERSION, json=content, headers=headers)
    await define(store, vendor, "agent-actions", 1)

    refused = await publish(client, headers)
    await define(store, vendor, "agent-actions", 2)
    published = await publish(client, headers)

    assert 200 == draft.status_code
    assert (409, "not_publishable") == (refused.status_code, refused.json()["code"])
    assert ["charges[0].usage.kinds[2]"] == [path for path, _ in told(refused)]
    assert (200, "published") == (published.status_code, published.json()["state"])


@pytest.mark.parametrize(
    "charge",
    [
        {"model": "matrix", "cells": [{"kinds": [ACTIONS], "unit_amount": "1"}]},
        {
            "model": "per_unit",
            "unit_amount": "1",
            "usage": {"kinds": ["*"]},
            "conversion": {"unit": "credits", "rates": [{"kinds": [ACTIONS], "units": "20"}]},
        },
        {
            "model": "context_tier",
            "tiers": [{"up_to": None, "unit_amounts": {"input_uncached": "1", ACTIONS: "2"}}],
        },
    ],
    ids=lambda charge: str(charge["model"]),
)
async def test_meters_are_found_wherever_a_charge_names_them(
    client: httpx.AsyncClient, headers: Headers, charge: dict[str, Any]
) -> None:
    """Cells, conversion rates and tiers name kinds, too."""
    named = {"key": "use", "name": "Use", **charge}
    await client.put(FIRST_VERSION, json=book("x") | {"charges": [named]}, headers=headers)

    refused = await publish(client, headers)

    assert ["unknown_meter"] == [fault["code"] for fault in refused.json()["faults"]]


@pytest.mark.parametrize(
    ("terms", "codes"),
    [
        ({"model": "percentage", "rate_percent": "3"}, []),
        ({"model": "percentage", "rate_percent": "3", "min_per_event": "1"}, ["needs_a_meter"]),
        ({"model": "percentage", "rate_percent": "3", "free_events": 2}, ["needs_a_meter"]),
        (
            {
                "model": "action_credits",
                "block_units": "10",
                "credits_per_block": "2",
                "credit_value": "0.005",
            },
            ["needs_a_meter"],
        ),
    ],
    ids=["plain", "bounds", "free events", "actions"],
)
async def test_a_price_of_single_events_is_not_sold(
    client: httpx.AsyncClient, headers: Headers, terms: dict[str, Any], codes: list[str]
) -> None:
    """Its usage would stand on every statement as unrated; the draft can be tried all the same."""
    charge = {"key": "use", "name": "Use", "usage": {"kinds": ["payments"]}, **terms}
    draft = await client.put(FIRST_VERSION, json=book("x") | {"charges": [charge]}, headers=headers)

    answer = await publish(client, headers)

    assert draft.is_success
    assert codes == [fault["code"] for fault in answer.json().get("faults", [])]
    assert answer.is_success is not bool(codes)


async def test_meters_are_a_vendors_own(
    client: httpx.AsyncClient, headers: Headers, store: Database
) -> None:
    """Another vendor's meter of the same name is none."""
    await define(store, "somebody-else", "agent-actions", 1)
    await client.put(FIRST_VERSION, json=book(ACTIONS), headers=headers)

    assert 409 == (await publish(client, headers)).status_code


async def test_a_strict_book_is_refused_while_usage_is_unclaimed(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Every unclaimed combination of the last month is told at once, with how much it is."""
    await use(
        store,
        vendor,
        (date(2023, 11, 1), "output_text", 5, {}),
        (date(2023, 11, 2), "output_text", 7, {"model": "gpt-5", "provider": "openai"}),
        (date(2023, 11, 30), "output_text", 1, {"model": "gpt-5", "provider": "openai"}),
        (date(2023, 12, 1), "input_uncached", 1_500, {"context_band": "32k"}),
        (date(2023, 10, 31), "input_audio", 9, {}),
    )
    await subscribed(client, headers, book("output_text", strict=True))

    refused = await publish(client, headers)
    complete = book("output_text", "input_uncached", strict=True)
    del complete["charges"][0]["usage"]["models"]
    await client.put(FIRST_VERSION, json=complete, headers=headers)
    published = await publish(client, headers)

    who = "No charge of 'support' claims"
    long = "1,500 of provider anthropic, model claude-sonnet-4-6, kind input_uncached"
    other = "8 of provider openai, model gpt-5, kind output_text"
    expected = [f"{who} {long}, context_band 32k.", f"{who} {other}, context_band unknown."]
    assert (409, "not_publishable") == (refused.status_code, refused.json()["code"])
    assert [("plans[0]", message) for message in expected] == told(refused)
    assert 200 == published.status_code


async def test_a_book_that_is_not_strict_is_published_with_unclaimed_usage(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Strictness is asked for: without it the usage stays unrated on statements."""
    await use(store, vendor, (date(2023, 11, 1), "input_audio", 9, {}))
    await subscribed(client, headers, book("output_text"))

    assert 200 == (await publish(client, headers)).status_code


async def test_usage_of_others_does_not_hold_up_a_strict_book(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Only what tenants on the book's plans used is looked at; corrected to nothing is nothing."""
    await use(
        store,
        vendor,
        (date(2023, 11, 1), "input_audio", 9, {}),
        (date(2023, 11, 1), "input_audio", -9, {"entry": "correction"}),
    )
    other = [usage_row(date(2023, 11, 1), "images", 3)]
    async with store.transaction() as connection:
        await store_usage(connection, Metering("", vendor).usage("acme", other))
    await subscribed(client, headers, book("output_text", strict=True))

    assert 200 == (await publish(client, headers)).status_code


async def test_every_fault_of_a_publication_is_told_at_once(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Unknown meters and unclaimed usage stand in one answer."""
    await use(store, vendor, (date(2023, 11, 1), "input_audio", 9, {}))
    await subscribed(client, headers, book("output_text", ACTIONS, strict=True))

    refused = await publish(client, headers)

    codes = [fault["code"] for fault in refused.json()["faults"]]
    assert ["unknown_meter", "unclaimed_usage"] == codes
    assert f"{BOOK.rpartition('/')[2]}/1" == refused.json()["subject"]
