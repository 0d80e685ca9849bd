"""Efficiency of past usage over HTTP, at the list prices that statements have."""

from datetime import date
from typing import Any

import httpx
import pytest

from services.pricing.handlers.runs import store_runs
from services.pricing.handlers.usage import store_usage
from shared.database import Database
from tests.support.database import TestDatabase
from tests.support.pricing_runs import part, runs_message
from tests.support.pricing_runs import used as run_used
from tests.support.pricing_service import Metering, vendor_key
from tests.support.pricing_usage import usage_row

from .billing_api import Headers
from .seats_api import key_of

DAY = date(2023, 11, 9)
ASKED: dict[str, Any] = {"start": "2023-11-01", "end": "2023-12-01"}
ROUTE: dict[str, Any] = {
    "name": "to the small one",
    "baseline": {"provider": "lab", "model": "dear"},
    "chosen": {"provider": "lab", "model": "cheap"},
    "hold_out": "0",
    "gate": "1",
    "cache_loss": "0",
}
PRICES = {
    ("dear", "input_uncached"): "10",
    ("dear", "input_cache_read"): "1",
    ("dear", "output_text"): "50",
    ("cheap", "input_uncached"): "2",
    ("cheap", "input_cache_read"): "0.5",
    ("cheap", "output_text"): "8",
}


@pytest.fixture(name="used")
async def _used(client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str) -> None:
    """Two tenants: 1 M fresh, 1 M read and 100,000 answered together; half of the answers fail."""
    prices = [
        {
            "source": "contract",
            "provider": "lab",
            "model": model,
            "kind": kind,
            "unit_amount": amount,
            "per": "1000000",
            "effective_from": "2023-01-01",
        }
        for (model, kind), amount in PRICES.items()
    ]
    named = headers | {"Idempotency-Key": "prices"}
    answer = await client.post("/v1/provider-prices", json={"prices": prices}, headers=named)
    assert answer.is_success, answer.text
    metering = Metering("", vendor)
    of = {"provider": "lab", "model": "dear", "agent": "coder"}
    rows = {
        "acme": [
            usage_row(DAY, "input_uncached", 1_000_000, **of),
            usage_row(DAY, "output_text", 50_000, **of),
        ],
        "globex": [
            usage_row(DAY, "input_cache_read", 1_000_000, **of),
            usage_row(DAY, "output_text", 50_000, status="failed", **of),
        ],
    }
    async with store.transaction() as connection:
        for tenant, of_tenant in rows.items():
            await store_usage(connection, metering.usage(tenant, of_tenant))


async def ask(client: httpx.AsyncClient, headers: Headers, **more: Any) -> Any:
    answer = await client.post("/v1/efficiency", json=ASKED | more, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


@pytest.mark.usefixtures("used")
async def test_all_tenants_together(client: httpx.AsyncClient, headers: Headers) -> None:
    """Reads saved 9.00; 10 + 1 + 5 dollars were paid, 2.50 of it for failures; routing saves 12.7.

    On the small model the same is 2 + 0.50 + 0.80.
    """
    found = await ask(client, headers, routing=[ROUTE])

    assert "9" == found["cache"]["saved"]
    assert ("16", "2.5") == (found["waste"]["total"]["cost"], found["waste"]["total"]["failed"])
    (route,) = found["routing"]
    assert ("12.7", False) == (route["saving"], route["unused_baseline"])
    assert [("coder", "12.7")] == [(one["agent"], one["saving"]) for one in route["by_agent"]]
    assert any("as many tokens" in one for one in found["assumptions"])


@pytest.mark.usefixtures("used")
async def test_what_no_event_tells_of_retries_is_not_known(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """No amount that looks like one, and no silence: why, and what would make it known."""
    retried = (await ask(client, headers))["waste"]["retried"]

    assert (False, None, []) == (
        retried["known"],
        retried["cost"],
        retried["by_agent_and_model"],
    )
    assert retried["reason"]
    assert retried["known_by"]


@pytest.mark.usefixtures("used")
async def test_retries_that_events_tell_are_added_up(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Of runs with the mark, on these days, of all tenants or of one: 2.50 and 0.50 dollars."""
    of = {"provider": "lab", "model": "dear", "usage_day": DAY}
    again = {**of, "is_retry": True}
    rows = [
        run_used(50_000, "output_text", **again),
        run_used(10_000, "output_text", **of),
        run_used(10_000, "output_text", **again | {"usage_day": date(2023, 12, 1)}),
    ]
    other = run_used(10_000, "output_text", **again)
    async with store.transaction() as connection:
        for tenant, own in (("globex", rows), ("acme", [other])):
            told = runs_message(vendor, [part("r", *own, agent="coder")], tenant=tenant)
            await store_runs(connection, told)
    await client.put("/v1/tenants/acme", json={"name": "Acme"}, headers=headers)

    retried = (await ask(client, headers))["waste"]["retried"]
    of_acme = (await ask(client, headers, tenant="acme"))["waste"]["retried"]

    assert (True, "3", "0.5") == (retried["known"], retried["cost"], of_acme["cost"])
    row = {"agent": "coder", "provider": "lab", "model": "dear", "cost": "3"}
    assert [row] == retried["by_agent_and_model"]


@pytest.mark.usefixtures("used")
async def test_pictures_are_specs_by_name(client: httpx.AsyncClient, headers: Headers) -> None:
    """The same question has the same figures as plots; what has nothing to show is left out."""
    body = ASKED | {"routing": [ROUTE]}

    answer = await client.post("/v1/efficiency/plots", json=body, headers=headers)

    assert answer.is_success, answer.text
    assert ["caches", "waste", "routing-1"] == list(answer.json())
    waste = answer.json()["waste"]["data"]["values"]
    assert [("failed", 2.5)] == [(row["part"], row["amount"]) for row in waste]


@pytest.mark.usefixtures("used")
async def test_one_tenant_alone(client: httpx.AsyncClient, headers: Headers) -> None:
    """What another tenant did is in none of its figures."""
    await client.put("/v1/tenants/acme", json={"name": "Acme"}, headers=headers)
    found = await ask(client, headers, tenant="acme")

    assert ("0", "12.5") == (found["cache"]["saved"], found["waste"]["total"]["cost"])


@pytest.mark.usefixtures("used")
async def test_the_first_day_is_in_it_and_the_last_is_not(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """All was used on the 9th."""
    costs = [
        (await ask(client, headers, start=start, end=end))["waste"]["total"]["cost"]
        for start, end in (("2023-11-01", "2023-11-09"), ("2023-11-09", "2023-11-10"))
    ]

    assert ["0", "16"] == costs


@pytest.mark.usefixtures("used")
async def test_a_model_of_ones_own(client: httpx.AsyncClient, headers: Headers) -> None:
    """It says what it replaces, what that cost, and from when on it pays."""
    own = {
        "name": "own",
        "replaces": {"provider": "lab", "model": "dear"},
        "training": "0",
        "months": 1,
        "hosting": "0.73",
        "per_million_tokens": "0",
    }

    (case,) = (await ask(client, headers, custom_models=[own]))["custom_models"]

    assert ("2100000", "16") == (case["tokens"], case["cost_now"])
    assert ("72/73", "0.72") == (case["months"], case["cost_custom"]), "30 days of 365 / 12"
    assert ("95812.5", False) == (case["break_even_tokens"], case["unused_model"])


async def test_every_fault_is_told_at_once(client: httpx.AsyncClient, headers: Headers) -> None:
    """A route to itself, shares above all, days in the wrong order: one answer with each place."""
    route = ROUTE | {"chosen": ROUTE["baseline"], "gate": "1.01"}
    body = {"start": "2023-12-01", "end": "2023-11-01", "cache": {"hit_ratio": "2"}}

    answer = await client.post("/v1/efficiency", json=body | {"routing": [route]}, headers=headers)

    assert 400 == answer.status_code
    assert [
        ("end", "invalid_period"),
        ("cache.hit_ratio", "not_a_share"),
        ("routing[0].chosen", "route_to_itself"),
        ("routing[0].gate", "not_a_share"),
    ] == [(fault["path"], fault["code"]) for fault in answer.json()["faults"]]


OWN: dict[str, Any] = {
    "name": "own",
    "replaces": ROUTE["baseline"],
    "training": "0",
    "months": 1,
    "hosting": "0",
    "per_million_tokens": "0",
}
HUGE = "1" + "0" * 30


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"start": "2000-01-01", "end": "2199-01-01"}, "end"),
        ({"start": None}, "start"),
        ({"cache": {"hit_ratio": "NaN"}}, "cache.hit_ratio"),
        ({"cache": {"reads_per_write": "Infinity"}}, "cache.reads_per_write"),
        ({"cache": {"reads_per_write": "0"}}, "cache.reads_per_write"),
        ({"routing": [ROUTE | {"router_cost": "1e30"}]}, "routing[0].router_cost"),
        ({"routing": [ROUTE | {"router_cost": "-1"}]}, "routing[0].router_cost"),
        ({"routing": [ROUTE | {"gate": 0.5}]}, "routing[0].gate"),
        ({"routing": [ROUTE | {"name": "\x00"}]}, "routing[0].name"),
        ({"routing": [ROUTE | {"agent": "\x00"}]}, "routing[0].agent"),
        ({"routing": [ROUTE] * 51}, "routing"),
        ({"custom_models": [OWN | {"months": 0}]}, "custom_models[0].months"),
        ({"custom_models": [OWN | {"hosting": HUGE * 2}]}, "custom_models[0].hosting"),
        ({"tenant": "\x00"}, "tenant"),
        ({"by": "model"}, "by"),
    ],
    ids=str,
)
async def test_what_means_harm_is_refused(
    client: httpx.AsyncClient, headers: Headers, more: dict[str, Any], path: str
) -> None:
    """Each with the place of its fault, and none is a failure of ours."""
    answer = await client.post("/v1/efficiency", json=ASKED | more, headers=headers)

    assert 400 == answer.status_code
    assert answer.json()["code"] in {"invalid_efficiency", "invalid_json"}
    assert [path] == [fault["path"] for fault in answer.json()["faults"]]


@pytest.mark.usefixtures("used")
async def test_amounts_beyond_all_sense_stay_exact(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """10^30 dollars for a router: a loss to the last cent, and no overflow."""
    found = await ask(
        client,
        headers,
        routing=[ROUTE | {"router_cost": HUGE}],
        custom_models=[OWN | {"training": HUGE, "months": 7}],
        cache={"hit_ratio": "1", "reads_per_write": HUGE},
    )

    assert "-999999999999999999999999999987.3" == found["routing"][0]["saving"]


async def test_a_tenant_that_there_is_not_saves_nothing_that_is_told(
    client: httpx.AsyncClient, headers: Headers, database: TestDatabase, vendor: str
) -> None:
    """Neither a slip nor another vendor's tenant: both are unknown, alike."""
    other = await vendor_key(database, f"other-{vendor}")
    await client.put("/v1/tenants/theirs", json={"name": "Theirs"}, headers=other)

    answers = [
        await client.post("/v1/efficiency", json=ASKED | {"tenant": tenant}, headers=headers)
        for tenant in ("theirs", "nobody")
    ]

    assert [(404, "unknown_tenant")] * 2 == [(a.status_code, a.json()["code"]) for a in answers]


async def test_a_model_that_nobody_used_is_told(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """No volume pays for it, and a slip of its name must not look like that."""
    (case,) = (await ask(client, headers, custom_models=[OWN]))["custom_models"]

    assert (None, True) == (case["break_even_tokens"], case["unused_model"])


async def test_a_tenants_key_sees_nothing_of_it(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """What the vendor pays to providers is none of its customers' business."""
    await client.put("/v1/tenants/acme", json={"name": "Acme"}, headers=headers)
    own = await key_of(client, headers, "acme")

    answer = await client.post("/v1/efficiency", json=ASKED, headers=own)

    assert 403 == answer.status_code
