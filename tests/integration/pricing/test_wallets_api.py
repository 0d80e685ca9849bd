"""Credits over HTTP on a real database: grants, top-ups, balance, ledger, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.pricing.app import create_app
from services.pricing.handlers.wallets import draw
from shared.clock import FrozenClock
from shared.database import Database
from tests.support.database import TestDatabase
from tests.support.pricing_service import (
    NOW,
    client_of,
    fresh_vendor,
    pricing_settings,
    vendor_key,
)
from tests.support.pricing_statements import line, statement
from tests.support.stack import StackAddress

WALLET = "/v1/tenants/globex/wallets/USD"
PROMOTION = {
    "amount": "50",
    "valid_from": "2023-11-01",
    "expires_on": "2024-01-01",
    "priority": 10,
    "scope": {"models": ["claude-sonnet-4-6"]},
}
Headers = dict[str, str]


@pytest.fixture(scope="module", name="client")
async def _client(stack: StackAddress, database: TestDatabase) -> AsyncIterator[httpx.AsyncClient]:
    settings = pricing_settings(stack, database, group=f"pricing-{uuid4().hex}")
    async with client_of(create_app(settings, FrozenClock(NOW))) as client:
        yield client


@pytest.fixture(scope="module", name="later")
async def _later(stack: StackAddress, database: TestDatabase) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the same deployment, three days later."""
    settings = pricing_settings(stack, database, group=f"pricing-{uuid4().hex}")
    async with client_of(create_app(settings, FrozenClock(NOW + timedelta(days=3)))) as client:
        yield client


@pytest.fixture(scope="module", name="store")
async def _store(database: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(database.urls["pricing"], connections=2)
    yield opened
    await opened.close()


@pytest.fixture(name="vendor")
def _vendor() -> str:
    return fresh_vendor()


@pytest.fixture(name="headers")
async def _headers(database: TestDatabase, client: httpx.AsyncClient, vendor: str) -> Headers:
    headers = await vendor_key(database, vendor)
    await client.put("/v1/tenants/globex", json={"name": "Globex"}, headers=headers)
    return headers


async def post(
    client: httpx.AsyncClient, headers: Headers, place: str, body: Any, key: str | None = None
) -> httpx.Response:
    named = headers | {"Idempotency-Key": key or uuid4().hex, "Content-Type": "application/json"}
    # As ASCII: half of a pair of surrogates can be written in JSON, but not in UTF-8.
    return await client.post(f"{WALLET}/{place}", content=json.dumps(body), headers=named)


async def read(client: httpx.AsyncClient, headers: Headers, place: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get(f"{WALLET}{place}", headers=headers)).json()
    return answer


async def test_a_wallet_that_nobody_wrote_is_empty(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A tenant without credit has a balance of 0 and may go on."""
    wallet = await read(client, headers)

    assert ("0", True, []) == (wallet["balance_exact"], wallet["may_spend"], wallet["grants"])


async def test_credits_pay_a_statement(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Granted and bought credit pays in burn order; balance and ledger show how."""
    promotion = (await post(client, headers, "grants", PROMOTION)).json()["grant_id"]
    top_up = {"amount": "100", "valid_from": "2023-11-01"}
    bought = (await post(client, headers, "top-ups", top_up)).json()["grant_id"]
    asked = statement(vendor, line("60"), line("20", line_key="001-fee", details=[]))
    async with store.transaction() as connection:
        await draw(connection, asked)

    wallet, ledger = await read(client, headers), await read(client, headers, "/ledger")

    assert "70" == wallet["balance_exact"]
    assert ["grant", "grant", "draw"] == [one["kind"] for one in ledger["transactions"]]
    entries = [
        (one["grant_id"], one["line_key"], one["amount_exact"])
        for one in ledger["transactions"][-1]["entries"]
        if one["account"] == "usage"
    ]
    assert [
        (promotion, "000-usage", "50"),
        (bought, "000-usage", "10"),
        (bought, "001-fee", "20"),
    ] == entries


async def test_a_top_up_sent_twice_is_one(client: httpx.AsyncClient, headers: Headers) -> None:
    """Attempts with one key are one top-up and one answer; another body is a conflict."""
    body = {"amount": "100"}

    answers = await asyncio.gather(
        *(post(client, headers, "top-ups", body, key="order-1") for _ in range(8))
    )
    other = await post(client, headers, "top-ups", {"amount": "200"}, key="order-1")
    elsewhere = await post(client, headers, "grants", body, key="order-1")

    assert [201] * 8 == [answer.status_code for answer in answers]
    assert 1 == len({answer.text for answer in answers})
    assert ["idempotency_key_reused"] * 2 == [one.json()["code"] for one in (other, elsewhere)]
    assert [409, 409] == [other.status_code, elsewhere.status_code]
    assert "100" == (await read(client, headers))["balance_exact"]


async def test_an_attempt_of_a_later_day_is_answered_as_the_first(
    client: httpx.AsyncClient, later: httpx.AsyncClient, headers: Headers
) -> None:
    """Credit without a start, asked for again when its end has passed, was granted all the same."""
    body = {"amount": "100", "expires_on": "2023-12-03"}
    first = await post(client, headers, "grants", body, key="present")

    again = await post(later, headers, "grants", body, key="present")
    new = await post(later, headers, "grants", body)

    assert (201, first.text) == (again.status_code, again.text)
    assert (400, "ends_before_start") == (new.status_code, new.json()["code"])


async def test_two_top_ups_are_two(client: httpx.AsyncClient, headers: Headers) -> None:
    """The same body under another key is meant: it counts again."""
    for _ in range(2):
        await post(client, headers, "top-ups", {"amount": "100"})

    assert "200" == (await read(client, headers))["balance_exact"]


async def test_a_hard_stop_shows(client: httpx.AsyncClient, headers: Headers) -> None:
    """A wallet with a hard stop may spend only while it holds credit."""
    rule = {"below": "5", "amount": "20", "by": "grant"}
    body = {"on_empty": "hard_stop", "automatic_top_up": rule, "low_balance": "12.5"}

    empty = (await client.put(WALLET, json=body, headers=headers)).json()
    await post(client, headers, "top-ups", {"amount": "0.000000000001"})
    filled = await read(client, headers)

    assert [False, True] == [empty["may_spend"], filled["may_spend"]]
    assert [rule, rule] == [empty["automatic_top_up"], filled["automatic_top_up"]]
    assert "12.5" == filled["low_balance"]
    assert "0.000000000001" == filled["balance_exact"]


async def test_every_fault_of_a_grant_is_told(client: httpx.AsyncClient, headers: Headers) -> None:
    """A faulty grant is refused with each fault; nothing is booked."""
    faulty = {
        "amount": "0",
        "valid_from": "2023-11-01",
        "expires_on": "2023-10-01",
        "priority": -1,
        "cost_basis": "-1",
        "tax": "never",
        "scope": {"charges": [], "colours": ["red"]},
        "rollover": {"days": 0},
        "gift": True,
    }

    answer = await post(client, headers, "grants", faulty)

    assert (400, "invalid_grant") == (answer.status_code, answer.json()["code"])
    assert {
        ("not_positive", "amount"),
        ("ends_before_start", "expires_on"),
        ("out_of_range", "priority"),
        ("negative_price", "cost_basis"),
        ("unknown_choice", "tax"),
        ("empty_list", "scope.charges"),
        ("unknown_field", "scope.colours"),
        ("out_of_range", "rollover.days"),
        ("unknown_field", "gift"),
    } == {(fault["code"], fault["path"]) for fault in answer.json()["faults"]}
    assert [] == (await read(client, headers, "/ledger"))["transactions"]


@pytest.mark.parametrize(
    "body", [None, 5, [], {}, {"amount": 5}, {"amount": "NaN"}, {"\ud800": 1}, {"amount": "\ud800"}]
)
@pytest.mark.parametrize("place", ["grants", "top-ups"])
async def test_a_body_of_another_shape_is_refused(
    client: httpx.AsyncClient, headers: Headers, place: str, body: Any
) -> None:
    """Anything that is no credit is a 400, never a failure."""
    assert 400 == (await post(client, headers, place, body)).status_code


async def test_credit_that_would_end_before_today_is_refused(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Without a first day credit starts today, and must not end by then."""
    answer = await post(client, headers, "top-ups", {"amount": "1", "expires_on": "2023-12-02"})

    assert (400, "ends_before_start") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("unknown_tenant", "/v1/tenants/nobody/wallets/USD"),
        ("unknown_currency", "/v1/tenants/globex/wallets/QQQ"),
    ],
)
async def test_an_unknown_wallet_is_not_found(
    client: httpx.AsyncClient, headers: Headers, code: str, path: str
) -> None:
    """Tenant and currency of a wallet exist, or it is a 404."""
    answer = await client.get(path, headers=headers)

    assert (404, code) == (answer.status_code, answer.json()["code"])


async def test_wallets_of_others_are_closed(
    client: httpx.AsyncClient, headers: Headers, database: TestDatabase
) -> None:
    """Another vendor neither reads nor fills a tenant's wallet."""
    stranger = await vendor_key(database, fresh_vendor())

    refused = [
        await client.get(WALLET, headers=stranger),
        await client.get(f"{WALLET}/ledger", headers=stranger),
        await post(client, stranger, "top-ups", {"amount": "1"}),
    ]

    assert [404] * 3 == [answer.status_code for answer in refused]
    assert [] == (await read(client, headers))["grants"]


async def test_pages_of_the_ledger_hold_each_row_once(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Following the cursor reads every transaction once, in order."""
    for amount in range(1, 6):
        await post(client, headers, "top-ups", {"amount": str(amount)})
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = await read(client, headers, f"/ledger?after={after}&limit=2")
        seen += [one["entries"][0]["amount_exact"] for one in page["transactions"]]
        after = page["next_after"]

    assert ["1", "2", "3", "4", "5"] == seen
