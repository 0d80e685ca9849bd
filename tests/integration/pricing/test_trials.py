"""Trying prices: evaluations and differences come from what bills, and are stored nowhere."""

from copy import deepcopy
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from examples.demo.catalog import price_book
from services.pricing.handlers import evaluating
from services.pricing.handlers.usage import store_usage
from services.pricing.schemas.evaluation import EVENTS_MAX, ROWS_MAX
from shared.database import Database
from tests.support.pricing_service import Metering
from tests.support.pricing_usage import usage_row

from .billing_api import BOOK, FIRST_VERSION, TERMS, Headers, publish_demo

NOVEMBER = {"start": "2023-11-01", "end": "2023-12-01"}
TIERED = {
    "key": "input",
    "name": "Input",
    "model": "graduated",
    "per": "1000000",
    "usage": {"kinds": ["input_uncached"]},
    "tiers": [
        {"up_to": "10000000", "unit_amount": "4.00"},
        {"up_to": None, "unit_amount": "3.00"},
    ],
}
CONTENT = {"currency": "USD", "charges": [TIERED]}
GIVEN = {
    **NOVEMBER,
    "content": CONTENT,
    "usage": [
        {"kind": "input_uncached", "quantity": "12000000", "model": "m"},
        {"kind": "images", "quantity": "0.5"},
    ],
}


async def evaluate(client: httpx.AsyncClient, headers: Headers, body: Any) -> httpx.Response:
    return await client.post("/v1/evaluate", json=body, headers=headers)


async def use(store: Database, vendor: str, tenant: str, quantity: int) -> None:
    rows = [usage_row(date(2023, 11, 9), "input_uncached", quantity)]
    async with store.transaction() as connection:
        await store_usage(connection, Metering("", vendor).usage(tenant, rows))


async def test_given_usage_is_rated_by_given_charges(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """10 M at 4.00 and 2 M at 3.00 are 46; what no charge claims is said."""
    answer = (await evaluate(client, headers, GIVEN)).json()

    assert ("46", "all", "USD") == (answer["total_exact"], answer["plan"], answer["currency"])
    assert ["40", "6"] == [step["amount_exact"] for step in answer["lines"][0]["steps"]]
    assert [("images", "0.5")] == [(row["kind"], row["quantity"]) for row in answer["unrated"]]


async def test_past_usage_by_a_stored_version_is_the_bill(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """What a subscription's period comes to, an evaluation comes to, with the same rating hash."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await use(store, vendor, "globex", 22_361_870)
    bill = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    stored = {"price_book": "demo", "version": 1, "plan": "support", "tenant": "globex"}

    answer = (await evaluate(client, headers, NOVEMBER | stored)).json()

    billed = bill["subscriptions"][0]
    same = ("total_exact", "rating_hash", "input_hash", "price_hash", "lines")
    assert "0" != billed["total_exact"]
    assert [billed[name] for name in same] == [answer[name] for name in same]
    assert bill["watermark"] == answer["watermark"] is not None


async def test_single_events_can_be_given(client: httpx.AsyncClient, headers: Headers) -> None:
    """Two actions of 25,000 and 10,000 tokens are 4 blocks of 20 credits of half a cent."""
    charge = {
        "key": "actions",
        "name": "Actions",
        "model": "action_credits",
        "block_units": "10000",
        "credits_per_block": "20",
        "credit_value": "0.005",
        "usage": {"kinds": ["meter:action-tokens@1"]},
    }
    body = NOVEMBER | {
        "content": {"currency": "USD", "charges": [charge]},
        "events": {"meter:action-tokens@1": ["25000", "10000"]},
    }

    answer = (await evaluate(client, headers, body)).json()

    assert "0.4" == answer["total_exact"]


async def test_seats_by_class(client: httpx.AsyncClient, headers: Headers) -> None:
    """Seats are a number, or numbers by class."""
    seat = {"key": "s", "name": "Seats", "model": "per_seat", "unit_amount": "40"}
    premium = {**seat, "key": "p", "seat_class": "premium", "unit_amount": "120"}
    body = NOVEMBER | {"content": {"currency": "USD", "charges": [seat, premium]}, "usage": []}

    one = (await evaluate(client, headers, body | {"seats": 2})).json()
    both = (await evaluate(client, headers, body | {"seats": {"": 2, "premium": 1}})).json()

    assert ("80", "200") == (one["total_exact"], both["total_exact"])


async def test_nothing_is_stored(
    client: httpx.AsyncClient, headers: Headers, store: Database
) -> None:
    """An evaluation leaves no row in any table of the schema."""

    async def rows() -> list[tuple[str, int]]:
        tables = "select tablename from pg_tables where schemaname = 'pricing' order by 1"
        async with store.transaction() as connection:
            names = [name for (name,) in await connection.execute(text(tables))]
            counts = [
                await connection.scalar(text(f"select count(*) from pricing.{name}"))  # noqa: S608
                for name in names
            ]
        return list(zip(names, counts, strict=True))

    before = await rows()
    await evaluate(client, headers, GIVEN)

    assert before == await rows()


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"start": "2023-12-01"}, "invalid_period", ""),
        ({"end": "2024-12-01"}, "invalid_period", ""),
        ({"usage": [{"kind": "x"}]}, "missing_field", "usage[0].quantity"),
        ({"usage": [{"kind": "x", "quantity": 1.5}]}, "not_a_decimal_string", "usage[0].quantity"),
        (
            {"usage": [{"kind": "x", "quantity": "NaN"}]},
            "not_a_decimal_string",
            "usage[0].quantity",
        ),
        ({"usage": [{"kind": "a b", "quantity": "1"}]}, "invalid_text", "usage[0].kind"),
        ({"usage": None}, "usage_given_or_past", ""),
        ({"tenant": "globex"}, "usage_given_or_past", ""),
        ({"content": None}, "prices_stored_or_given", ""),
        ({"price_book": "demo", "version": 1}, "prices_stored_or_given", ""),
        ({"content": CONTENT | {"currency": "ZZZ"}}, "unknown_currency", "content.currency"),
        ({"content": {}}, "missing_field", "content.currency"),
        ({"plan": "none"}, "unknown_plan", "plan"),
        ({"seats": -1}, "out_of_range", "seats."),
        ({"seats": True}, "not_a_whole_number", "seats."),
        ({"surprise": 1}, "unknown_field", "surprise"),
        ({"events": {"input_uncached": ["1"]}}, "events_without_price", "events.input_uncached"),
        ({"start": "1698796800"}, "not_a_day", "start"),
        ({"usage": [{"kind": "x", "quantity": "1"}] * (ROWS_MAX + 1)}, "list_too_long", "usage"),
        ({"events": {"x": ["1"] * (EVENTS_MAX + 1)}}, "list_too_long", ""),
    ],
)
async def test_a_faulty_evaluation_is_refused(
    client: httpx.AsyncClient, headers: Headers, change: Any, code: str, path: str
) -> None:
    """Each fault has its code and its place."""
    answer = await evaluate(client, headers, GIVEN | change)

    assert 400 == answer.status_code
    found = {(fault["code"], fault["path"].rstrip(".")) for fault in answer.json()["faults"]}
    assert (code, path.rstrip(".")) in found


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[1]", b"[" * 100_000, b'"\\ud800"', b'{"\\ud800": 1}', b"\xff", b"9" * 5000],
)
async def test_no_body_is_answered_with_500(
    client: httpx.AsyncClient, headers: Headers, body: bytes
) -> None:
    """What cannot be read is a 400 with a code."""
    answer = await client.post("/v1/evaluate", content=body, headers=headers)

    assert (400, True) == (answer.status_code, bool(answer.json()["code"]))


async def test_a_body_has_a_largest_size(client: httpx.AsyncClient, headers: Headers) -> None:
    """More than 4 MiB are not read to the end, whatever they hold."""
    answer = await client.post("/v1/evaluate", content=b" " * (5 * 2**20), headers=headers)

    assert (413, "body_too_large") == (answer.status_code, answer.json()["code"])


async def test_past_usage_is_bounded(
    client: httpx.AsyncClient,
    headers: Headers,
    store: Database,
    vendor: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tenant with more rows than one request rates is told so."""
    monkeypatch.setattr(evaluating, "PAST_ROWS_MAX", 0)
    await use(store, vendor, "globex", 5)
    body = NOVEMBER | {"content": CONTENT, "tenant": "globex"}

    answer = await evaluate(client, headers, body)

    assert (400, "too_much_usage") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price_book": "none", "version": 1}, "unknown_price_version"),
        ({"price_book": "demo", "version": 9}, "unknown_price_version"),
        ({"tenant": "nobody", "price_book": "demo", "version": 1}, "unknown_tenant"),
    ],
)
async def test_what_is_not_there_is_a_404(
    client: httpx.AsyncClient, headers: Headers, change: Any, code: str
) -> None:
    """Unknown books, versions and tenants are named."""
    await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    body = NOVEMBER | {"plan": "support", "tenant": "globex"} | change

    answer = await evaluate(client, headers, body)

    assert (404, code) == (answer.status_code, answer.json()["code"])


async def two_versions(client: httpx.AsyncClient, headers: Headers) -> dict[str, Any]:
    """Publish the demo's book, and write a draft of the next version; return its content."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    content = deepcopy(price_book())
    content["charges"][4]["amount"] = "550.00"
    await client.put(f"{BOOK}/versions/2", json=content, headers=headers)
    return content


async def test_the_difference_of_two_versions(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """In words, and in money over last month's usage: 50 more for the fee, nothing else."""
    await use(store, vendor, "globex", 22_361_870)
    content = await two_versions(client, headers)

    answer = (await client.get(f"{BOOK}/versions/2/diff", headers=headers)).json()
    sent = (await client.post(f"{BOOK}/diff", json=content, headers=headers)).json()
    backwards = await client.get(f"{FIRST_VERSION}/diff?against=2", headers=headers)

    charge = content["charges"][4]
    message = f"Charge {charge['key']} ({charge['name']}): amount was 500, is 550 (+10 %)."
    assert [message] == [one["message"] for one in answer["differences"]]
    money = answer["money"]
    assert ("2023-11-01", "2023-12-01") == (money["start"], money["end"])
    assert ("50", "50") == (
        money["total"]["difference_exact"],
        money["subscriptions"][0]["amounts"]["difference_exact"],
    )
    assert {charge["key"]: "50"} == {
        one["charge"]: one["difference_exact"]
        for one in money["charges"]
        if one["difference_exact"] != "0"
    }
    assert 1 < len(money["charges"])
    assert answer | {"after": None} == sent
    assert "-50" == backwards.json()["money"]["total"]["difference_exact"]


async def test_a_first_version_is_compared_with_nothing(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """All of it is new, and there is no money to compare."""
    await client.put(FIRST_VERSION, json=price_book(), headers=headers)

    answer = (await client.get(f"{FIRST_VERSION}/diff", headers=headers)).json()

    assert {"added"} == {one["kind"] for one in answer["differences"]}
    assert (None, 1, None) == (answer["before"], answer["after"], answer["money"])


async def test_the_money_has_pages(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Each page rates some subscriptions; together they are all."""
    await two_versions(client, headers)
    for name in ("acme", "initech"):
        await client.put(f"/v1/tenants/{name}", json={"name": name}, headers=headers)
        terms = TERMS | {"tenant_id": name}
        await client.put(f"/v1/subscriptions/{name}", json=terms, headers=headers)
    seen, after = [], ""
    for _ in range(5):
        params = {"limit": "2", "after": after}
        page = await client.get(f"{BOOK}/versions/2/diff", params=params, headers=headers)
        money = page.json()["money"]
        seen += [one["subscription_id"] for one in money["subscriptions"]]
        after = money["next_after"]
        if after is None:
            break

    assert ["acme", "initech", "main"] == seen


async def test_a_tenants_key_tries_no_prices(client: httpx.AsyncClient, headers: Headers) -> None:
    """Contents of price books are the vendor's."""
    body = {"name": "k", "scopes": ["billing:read"], "tenant_id": "globex"}
    made = await client.post("/v1/api-keys", json=body, headers=headers)
    own = {"Authorization": f"Bearer {made.json()['api_key']}"}

    codes = [
        (await evaluate(client, own, GIVEN)).status_code,
        (await client.get(f"{FIRST_VERSION}/diff", headers=own)).status_code,
        (await client.post(f"{BOOK}/diff", json=CONTENT, headers=own)).status_code,
    ]

    assert [403, 403, 403] == codes
