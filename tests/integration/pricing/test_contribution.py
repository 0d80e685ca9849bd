"""Contribution on a real database: parts that sum to the whole, whatever they are told apart by."""

import csv
from datetime import date
from fractions import Fraction
from io import StringIO
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.database import Database
from tests.support.database import TestDatabase
from tests.support.pricing_service import vendor_key
from tests.support.pricing_usage import usage_row

from .billing_api import Headers
from .fees_api import in_advance
from .growth_api import (
    DECEMBER,
    GLOBEX,
    GPT,
    ask,
    by_user,
    close_both_months,
    grown,
    seal_both_months,
    sell,
    store_usage,
    tokens,
)
from .subscription_api import book, change, publish_book, statements_of, subscribe

DUE_FLAT, DUE_SEATS = "due by days: flat", "due by days: per_seat"


async def _compared(client: httpx.AsyncClient, headers: Headers, **asked: Any) -> dict[str, Any]:
    answer = await ask(client, headers, "contribution", **asked)
    (one,) = answer["comparisons"]
    found: dict[str, Any] = one
    return found


def _changes(comparison: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {part["name"]: (part["before"], part["after"]) for part in comparison["parts"]}


def _sum(comparison: dict[str, Any], field: str) -> Fraction:
    return sum((Fraction(part[field] or 0) for part in comparison["parts"]), Fraction(0))


REVENUE: dict[str, dict[str, tuple[str, str]]] = {
    "tenant": {"globex": ("450", "540"), "initech": ("0", "960")},
    "plan": {"sold/team": ("450", "540"), "sold/business": ("0", "960")},
    "agent": {
        "support-0": ("90", "120"),
        "writer": ("0", "60"),
        "bot": ("0", "30"),
        DUE_FLAT: ("300", "1200"),
        DUE_SEATS: ("60", "90"),
    },
    "model": {
        "claude-sonnet-4-6": ("90", "150"),
        "gpt-5": ("0", "60"),
        DUE_FLAT: ("300", "1200"),
        DUE_SEATS: ("60", "90"),
    },
    "provider": {
        "anthropic": ("90", "150"),
        "openai": ("0", "60"),
        DUE_FLAT: ("300", "1200"),
        DUE_SEATS: ("60", "90"),
    },
    "kind": {
        "input_uncached": ("90", "210"),
        DUE_FLAT: ("300", "1200"),
        DUE_SEATS: ("60", "90"),
    },
    "segment": {"tenants without a segment": ("450", "540"), "startups": ("0", "960")},
}


@pytest.mark.parametrize("by", sorted(REVENUE))
async def test_revenue_by_hand(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, by: str
) -> None:
    """450 → 1,500 by every dimension; what no value of it caused is a part of its own."""
    await grown(client, headers, store, vendor)
    body = {"segments": [{"tenant": "initech", "segment": "startups"}]}
    await client.post("/v1/segments", json=body, headers=headers)

    found = await _compared(client, headers, by=by)

    assert REVENUE[by] == _changes(found)
    assert [450, 1500] == [_sum(found, "before"), _sum(found, "after")]
    assert Fraction(found["growth_percent"]) == _sum(found, "points")
    assert 100 == _sum(found, "share_percent")
    unallocable = {part["name"] for part in found["parts"] if part["kind"] == "not_allocable"}
    assert {name for name in REVENUE[by] if " " in name} == unallocable


async def test_without_initech_growth_would_have_been_a_fifth(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """90 of 450 is 20 %, both if it had stood still at 0 and for all but it."""
    await grown(client, headers, store, vendor)

    initech, globex = (await _compared(client, headers))["parts"]

    assert ("213.333333333", "20", "20") == (
        *(initech["points"], initech["growth_if_unchanged"]),
        initech["growth_of_the_rest"],
    )
    assert ("20", "213.333333333", None) == (
        *(globex["points"], globex["growth_if_unchanged"]),
        globex["growth_of_the_rest"],
    )


async def test_tokens_and_cost_have_parts_too(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Cost by the price of each day, in dollars; tokens without a price are told, and are not 0."""
    await grown(client, headers, store, vendor)
    await store_usage(
        store, vendor, tokens(12, 8, 700, model="homemade", provider="own", agent="bot"), version=2
    )
    price = {"provider": "anthropic", "model": "claude-sonnet-4-6", "kind": "input_uncached"}
    amount = {"per": "1000000", "unit_amount": "2.00", "effective_from": "2023-01-01"}
    answer = await client.post(
        "/v1/provider-prices",
        json={"prices": [{**price, **amount, "source": "contract"}]},
        headers={**headers, "Idempotency-Key": str(uuid4())},
    )
    assert answer.is_success, answer.text

    counted = await _compared(client, headers, of="tokens", by="plan")
    cost = await _compared(client, headers, of="cost", by="provider")

    assert {
        "sold/team": ("30000", "60700"),
        "sold/business": ("0", "10000"),
    } == _changes(counted)
    assert ("0.06", "0.1") == _changes(cost)["anthropic"]
    assert ("0", "0") == _changes(cost)["own"]
    assert ("0", "700") == (cost["unpriced_tokens_before"], cost["unpriced_tokens_after"])
    assert [] == cost["unpriced_units"]


async def test_units_without_a_price_are_told_too(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Searches that nobody knows the cost of are no cost of 0; each kind is told by itself."""
    rows = [
        usage_row(date(2023, month, 8), kind, count, model="homemade", provider="own")
        for month, kind, count in (
            (11, "web_search_requests", 2),
            (12, "web_search_requests", 5),
            (12, "audio_seconds", 60),
        )
    ]
    await store_usage(store, vendor, *rows)

    cost = await _compared(client, headers, of="cost", by="provider")

    assert {"own": ("0", "0")} == _changes(cost)
    assert [("audio_seconds", "0", "60"), ("web_search_requests", "2", "5")] == [
        (one["kind"], one["before"], one["after"]) for one in cost["unpriced_units"]
    ]
    assert "0" == cost["unpriced_tokens_after"]


async def test_tokens_by_user_and_team(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """By the rollup of users; usage that names nobody is a part of its own."""
    day = date(2023, 12, 3)
    rows = [by_user("ada", day, 5, team="red"), by_user("", day, 2)]
    await store_usage(store, vendor, users=rows)

    found = await _compared(client, headers, of="tokens", by="team")

    assert {"red": ("0", "5"), "no team named": ("0", "2")} == _changes(found)


async def test_what_two_providers_share_is_given_to_none(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A day's amount of an agent and model over two gateways is one amount: it stays whole."""
    await sell(client, headers)
    await store_usage(store, vendor, *GLOBEX, tokens(12, 6, 10_000, **GPT | {"provider": "azure"}))
    await close_both_months(store, vendor)

    found = await _compared(client, headers, by="provider")

    assert ("0", "90") == _changes(found)["several providers, or none"]
    assert "openai" not in _changes(found)


async def test_a_plan_that_changes_within_a_period(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Usage is of the plan of its day; fees of a period with two plans are told apart from both."""
    await sell(client, headers)
    answer = await change(client, headers, "plan", "2023-12-06", plan="business")
    assert answer.is_success, answer.text
    await store_usage(store, vendor, *GLOBEX)
    await close_both_months(store, vendor)

    found = await _compared(client, headers, by="plan")
    counted = await _compared(client, headers, of="tokens", by="plan")

    changes = _changes(found)
    assert ("450", "120") == changes["sold/team"]
    assert ("0", "990") == changes["sold/business"]
    assert "0" == changes["several plans, or none"][0]
    assert {"sold/team": ("30000", "40000"), "sold/business": ("0", "20000")} == _changes(counted)


async def test_fees_in_advance_are_of_the_days_that_they_pay(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Months come to what they do in arrears; with January, to all that the statements say."""
    await sell(client, headers, in_advance())
    await store_usage(store, vendor, *GLOBEX)
    await close_both_months(store, vendor)

    found = await _compared(client, headers)
    january = await _compared(client, headers, **{"from": "2024-01-01", "to": "2024-02-01"})

    assert {"globex": ("450", "540"), "initech": ("0", "930")} == _changes(found)
    totals = [Fraction(one["total_exact"]) for one in await statements_of(client, headers)]
    assert sum(totals) == 450 + 1470 + Fraction(january["after"])
    assert "1290" == january["after"]


async def test_a_fee_in_advance_is_found_from_the_middle_of_its_period_on(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """15 of 31 days of 360 and of 930: both stand on statements that ended before these days."""
    await sell(client, headers, in_advance())
    await store_usage(store, vendor, *GLOBEX)
    await close_both_months(store, vendor)

    found = await _compared(client, headers, **{"from": "2023-12-17", "to": "2024-01-01"})

    assert ("174.193548387", "450") == tuple(
        _changes(found)[tenant][1] for tenant in ("globex", "initech")
    )


async def test_quarters_in_a_row(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Each quarter against the one before, or the same of the year before."""
    await grown(client, headers, store, vendor)
    days = {"from": "2023-10-01", "to": "2024-04-01", "each": "quarter"}

    answer = await ask(client, headers, "contribution", **days)
    yearly = await ask(client, headers, "contribution", **days, against="year_before")

    assert [("2023-07-01", "0", "1950"), ("2023-10-01", "1950", "0")] == [
        (one["base_from"], one["before"], one["after"]) for one in answer["comparisons"]
    ]
    assert ["2022-10-01", "2023-01-01"] == [one["base_from"] for one in yearly["comparisons"]]


async def test_few_parts_are_named_and_none_is_missing(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The rest is one part."""
    await grown(client, headers, store, vendor)

    found = await _compared(client, headers, by="agent", top=1)

    assert {"writer", "2 others", DUE_FLAT, DUE_SEATS} == _changes(found).keys()
    assert [450, 1500] == [_sum(found, "before"), _sum(found, "after")]


async def test_two_currencies_do_not_add_up(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """One is to be named; each has its own growth."""
    await sell(client, headers)
    await publish_book(client, headers, "euros", content=book(currency="EUR"))
    await client.put("/v1/tenants/umbrella", json={"name": "Umbrella"}, headers=headers)
    await subscribe(client, headers, "umbrella", tenant_id="umbrella", price_book="euros", seats=0)
    await close_both_months(store, vendor)
    await seal_both_months(store, vendor, "umbrella")

    refused = await client.get("/v1/contribution", params=DECEMBER, headers=headers)
    euros = await _compared(client, headers, currency="EUR")

    unknown = await client.get(
        "/v1/contribution", params=DECEMBER | {"currency": "JPY"}, headers=headers
    )

    assert (400, "currency_required") == (refused.status_code, refused.json()["code"])
    assert (400, "unknown_currency") == (unknown.status_code, unknown.json()["code"])
    assert "EUR, USD" in unknown.json()["message"]
    assert {"umbrella": ("300", "300")} == _changes(euros)


async def test_as_a_file_and_as_a_plot(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The same figures."""
    await grown(client, headers, store, vendor)
    asked = DECEMBER | {"by": "model"}

    file = await client.get("/v1/contribution", params=asked | {"format": "csv"}, headers=headers)
    plot = await client.get(
        "/v1/contribution", params=asked | {"format": "vega-lite"}, headers=headers
    )

    rows = list(csv.DictReader(StringIO(file.text)))
    points = {row["name"]: float(row["points"]) for row in rows}
    assert points == {one["name"]: one["points"] for one in plot.json()["data"]["values"]}
    assert "https://vega.github.io/schema/vega-lite/v5.json" == plot.json()["$schema"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"of": "revenue", "by": "user"}, "unknown_combination"),
        ({"of": "cost", "by": "team"}, "unknown_combination"),
        ({"of": "cost", "currency": "EUR"}, "unknown_combination"),
        ({"each": "quarter"}, "invalid_window"),
        ({"each": "month", "base_from": "2023-01-01", "base_to": "2023-02-01"}, "invalid_window"),
        ({"top": "0"}, "invalid_request"),
    ],
)
async def test_what_cannot_be_asked(
    client: httpx.AsyncClient, headers: Headers, parameters: dict[str, str], code: str
) -> None:
    """A code for each."""
    answer = await client.get("/v1/contribution", params=DECEMBER | parameters, headers=headers)

    assert (400, code) == (answer.status_code, answer.json()["code"])


async def test_every_fault_of_a_question_is_told_at_once(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """What revenue is not known by, days in the wrong order, half a base: each with its place."""
    asked = {"of": "revenue", "by": "user", "from": "2024-01-01", "to": "2023-12-01"}
    half = asked | {"base_from": "2023-01-01"}
    stepped = half | {"each": "month"}

    answers = [
        await client.get("/v1/contribution", params=one, headers=headers) for one in (half, stepped)
    ]

    told = [
        ("unknown_combination", "by"),
        ("invalid_window", "to"),
        ("invalid_window", "base_from"),
    ]
    for answer in answers:
        assert 400 == answer.status_code
        assert told == [(fault["code"], fault["path"]) for fault in answer.json()["faults"]]


async def test_growth_is_the_vendors_own(
    client: httpx.AsyncClient,
    headers: Headers,
    store: Database,
    vendor: str,
    database: TestDatabase,
) -> None:
    """Another vendor sees nothing of it, and no tenant sees what others make of it."""
    await grown(client, headers, store, vendor)
    other = await vendor_key(database, f"other-{vendor}")
    body = {"name": "bound", "tenant_id": "globex", "scopes": ["billing:read"]}
    made = await client.post(
        "/v1/api-keys", json=body, headers={**headers, "Idempotency-Key": str(uuid4())}
    )
    assert made.is_success, made.text
    bound = {"Authorization": f"Bearer {made.json()['api_key']}"}

    nothing = await _compared(client, other)
    refused = [
        await client.get(f"/v1/{path}", params=DECEMBER, headers=bound)
        for path in ("growth", "contribution")
    ]

    assert ("0", "0", []) == (nothing["before"], nothing["after"], nothing["parts"])
    assert ["vendor_key_required"] * 2 == [one.json()["code"] for one in refused]
