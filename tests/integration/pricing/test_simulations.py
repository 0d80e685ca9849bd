"""Simulations: plans over past usage, by what bills, in a process of their own."""

import csv
import io
from datetime import date
from fractions import Fraction

import httpx
import pytest

from services.pricing.schemas.simulation import SimulationWrite
from services.pricing.settings import PricingSettings
from services.pricing.simulating import Simulator
from services.pricing.simulation import processes
from services.pricing.simulation.run import simulate as run_simulation
from shared.accounts.repository import Account
from shared.database import Database
from shared.money import parse_exact
from tests.support.database import TestDatabase
from tests.support.pricing_service import Metering, fresh_vendor, vendor_key
from tests.support.pricing_usage import usage_row

from .billing_api import Headers, days_of, execute, seal, statements_of
from .simulation_api import (
    TENANTS,
    Answer,
    ask,
    by_tenant,
    sell,
    sell_by_hand,
    simulate,
    store_rows,
    tried,
    use,
)
from .subscription_api import book, publish_book

WINDOW = {"start": "2023-11-01", "end": "2023-12-01"}


@pytest.fixture(name="simulator")
def _simulator(store: Database, settings: PricingSettings) -> Simulator:
    return Simulator(store, settings.pricing_database_url.get_secret_value())


def plan(name: str, version: int | None = None) -> dict[str, object]:
    return {"price_book": "demo", "plan": name, "version": version}


async def test_today_over_last_month_is_what_was_billed(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Revenue today is each tenant's statements: seats, their changes, tiers, trials, anchors."""
    await sell(client, headers)
    more = {"kind": "seats", "when": "2023-11-20", "seats": 31}
    changed = await client.post(
        "/v1/subscriptions/initech/changes",
        json=more,
        headers={**headers, "Idempotency-Key": "more-seats"},
    )
    assert changed.is_success, changed.text
    await use(store, vendor)
    for tenant in TENANTS:
        days = days_of(date(2023, 10, 9), date(2023, 11, 30))
        await seal(store, vendor, *days, tenant=tenant)

    result = await simulate(client, headers, simulator, WINDOW | {"plans": [plan("support")]})

    # The demo's statements of October end before the window; of hooli one does not.
    today = {
        t: parse_exact(one["revenue"]["exact"]) for t, one in by_tenant(result, "today").items()
    }
    totals = {
        tenant: sum(
            (
                parse_exact(statement["total_exact"])
                for statement in await statements_of(client, headers)
                if statement["tenant_id"] == tenant
                and "2023-11-01" < statement["period_end"] <= "2023-12-01"
            ),
            Fraction(0),
        )
        for tenant in TENANTS
    }
    assert totals == today
    assert all(today.values())
    globex = by_tenant(result, "demo/support")["globex"]
    assert globex["revenue"] == globex["today"]
    assert "0" == globex["change"]["exact"]


async def test_plans_are_tried_on_everybody(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """By hand: three tenants, a draft of seats against usage, cost, people, and who pays more."""
    await sell_by_hand(client, headers, store, vendor)

    asked = WINDOW | {"plans": [tried("seats"), tried("usage", 1)], "elasticities": ["0", "-0.5"]}
    result = await simulate(client, headers, simulator, asked)

    # Today all three pay 100 flat. Seats: 20 for each of (10, 2, 1) users.
    seats, usage = by_tenant(result, "tried/seats"), by_tenant(result, "tried/usage@1")
    assert ["200", "40", "20"] == [seats[t]["revenue"]["exact"] for t in ("a", "b", "c")]
    # Usage: 3 dollars a million of (100 M, 10 M, 1 M).
    assert ["300", "30", "3"] == [usage[t]["revenue"]["exact"] for t in ("a", "b", "c")]
    plans = {one["plan"]: one for one in result["plans"]}
    assert ["300", "260", "333"] == [one["revenue"]["exact"] for one in plans.values()]
    assert ("33", "11") == (
        plans["tried/usage@1"]["change"]["exact"],
        plans["tried/usage@1"]["change_percent"],
    )
    assert (1, "200") == changed_of(plans["tried/usage@1"]["pays_more"])
    assert (2, "-167") == changed_of(plans["tried/usage@1"]["pays_less"])
    # Of 13 people, ten bring in 30 each, two 15, one 3.
    people = plans["tried/usage@1"]["people"]
    assert (13, "30", "30") == (people["count"], people["median"]["exact"], people["p99"]["exact"])
    # Today they share 100 each by tenant: 10, 50 and 100; so ten bring in more, three less.
    assert (10, 3) == (people["more_than_today"], people["less_than_today"])
    assert "0" == plans["tried/seats"]["people"]["gini"]
    # At -0.5: a's bill trebles, so it uses the half; b pays 70 % less and uses 35 % more, c 48.5 %.
    (answer,) = plans["tried/usage@1"]["answers"]
    assert "194.955" == answer["revenue"]["exact"]
    # List prices of the provider: 3 dollars a million, so a seat of 20 pays for 6.67 M tokens.
    (even,) = result["seats"]
    assert ("20", "6666666.666667") == (
        even["seat_fee"]["exact"],
        even["cost_reaches_fee_at"]["tokens"],
    )
    at = even["usage_costs_as_much_at"]["tried/usage@1"]
    # The mean person used 111 M / 13: 20 dollars are 0.781 times that, to the next thousandth.
    assert "0.781" == at["multiple"]


def changed_of(group: Answer) -> tuple[int, str]:
    return group["tenants"], group["change"]["exact"]


async def test_a_migration_is_applied_as_it_stands(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Its requests are accepted, and the first bill on the plan is at the cap, whatever is used."""
    await sell_by_hand(client, headers, store, vendor)
    moved: Answer = {"to": tried("usage"), "starts_on": "2023-12-15", "max_rise_percent": "10"}
    moved |= {"periods": 2, "max_fall_percent": "50"}
    asked = WINDOW | {"plans": [tried("usage")], "migration": moved}

    migration = (await simulate(client, headers, simulator, asked))["migration"]

    # a would pay 300 instead of 100, b and c less than the half.
    assert {"pays_less": 2, "within": 0, "capped": 1} == migration["cohorts"]
    assert ("190", "67", "123") == tuple(
        migration[name]["exact"] for name in ("forgone", "kept", "cost")
    )
    a = migration["tenants"][0]
    assert ("110", "50") == (a["maximum"]["exact"], a["minimum"]["exact"])
    # Who pays less moves first, in January; who is capped last, in March, for two periods.
    assert ["2024-03-01", "2024-03-01", "2024-05-01"] == [r["body"]["when"] for r in a["requests"]]
    body = {"effective_on": "2023-11-01"}
    published = await client.post(
        "/v1/price-books/tried/versions/1/publish", json=body, headers=headers
    )
    assert published.is_success, published.text
    for number, one in enumerate(a["requests"]):
        key = {"Idempotency-Key": f"move-{vendor}-{number}"}
        made = await client.request(
            one["method"], one["path"], json=one["body"], headers={**headers, **key}
        )
        assert made.is_success, made.text
    march, may = date(2024, 3, 9), date(2024, 5, 9)
    rows = [usage_row(day, "input_uncached", 100_000_000) for day in (march, may)]
    await store_rows(store, Metering("", vendor, version=9), "a", rows)
    await seal(store, vendor, *days_of(date(2023, 11, 1), date(2024, 5, 31)), tenant="a")
    billed = await statements_of(client, headers)
    totals = [one["total_exact"] for one in billed if one["tenant_id"] == "a"]
    assert ["100", "100", "100", "100", "110", "50", "300"] == totals


HOSTILE: Answer = {
    "plans": [tried("usage")],
    "seats": "all",
    "elasticities": ["0.5", "NaN", "1e999", "-11", "much"],
    "migration": {
        "to": tried("seats"),
        "starts_on": "2023-12-01",
        "max_rise_percent": "10",
        "periods": 3,
    },
    "currency": "EUR",
}


async def test_what_cannot_be_simulated_is_told_at_once(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Every plan that is not there, other currencies, a window that is none; nothing is stored."""
    await publish_book(client, headers, "euros", content=book(currency="EUR"))
    await publish_book(client, headers, "sold", content=book())
    plans = [
        {"price_book": "sold", "plan": "none"},
        {"price_book": "nowhere", "plan": "team"},
        {"price_book": "sold", "plan": "team", "version": 9},
        {"price_book": "sold", "plan": "team"},
        {"price_book": "euros", "plan": "team"},
    ]

    refused = await ask(client, headers, WINDOW | {"plans": plans})
    backwards = await ask(client, headers, {"start": "2023-12-01", "end": "2023-11-01", **HOSTILE})
    many = {"plans": [{"price_book": "sold", "plan": f"p{n}"} for n in range(100)]}
    too_many = await ask(client, headers, WINDOW | many)

    assert (400, "invalid_simulation") == (refused.status_code, refused.json()["code"])
    assert [
        ("unknown_plan", "plans[0]"),
        ("unknown_price_book", "plans[1]"),
        ("unknown_price_version", "plans[2]"),
        ("mixed_currencies", "plans"),
    ] == [(fault["code"], fault["path"]) for fault in refused.json()["faults"]]
    assert [
        ("invalid_window", "end"),
        ("unknown_choice", "seats"),
        *(("invalid_elasticity", f"elasticities[{place}]") for place in range(5)),
        ("unknown_target", "migration"),
        ("unknown_field", "currency"),
    ] == [(fault["code"], fault["path"]) for fault in backwards.json()["faults"]]
    assert [("list_too_long", "plans")] == [
        (fault["code"], fault["path"]) for fault in too_many.json()["faults"]
    ]
    listed = (await client.get("/v1/simulations", headers=headers)).json()
    assert [] == listed["simulations"]


async def test_a_simulation_is_asked_once_and_read_when_done(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """The same key is one simulation; before it is done there is no result; CSV says the same."""
    await sell_by_hand(client, headers, store, vendor)
    body = WINDOW | {"plans": [tried("usage")]}
    named = {**headers, "Idempotency-Key": f"once-{vendor}"}
    first = (await client.post("/v1/simulations", json=body, headers=named)).json()
    again = (await client.post("/v1/simulations", json=body, headers=named)).json()
    path = f"/v1/simulations/{first['simulation_id']}"
    early = await client.get(f"{path}/result", headers=headers)

    assert 1 == await simulator.look()

    done = (await client.get(path, headers=headers)).json()
    text = (await client.get(f"{path}/result.csv", headers=headers)).text
    assert first == again
    assert ("queued", 409, "simulation_not_done") == (
        first["state"],
        early.status_code,
        early.json()["code"],
    )
    assert ("done", True) == (done["state"], done["finished_at"] >= done["started_at"])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [("today", "a", "100"), ("tried/usage", "a", "300")] == [
        (row["plan"], row["tenant_id"], row["revenue"]) for row in rows if row["tenant_id"] == "a"
    ]


async def test_another_vendor_sees_nothing(
    client: httpx.AsyncClient,
    headers: Headers,
    store: Database,
    vendor: str,
    database: TestDatabase,
) -> None:
    """A simulation of one vendor does not exist for another, whoever knows its id."""
    await sell_by_hand(client, headers, store, vendor)
    asked = (await ask(client, headers, WINDOW | {"plans": [tried("usage")]})).json()
    others = await vendor_key(database, fresh_vendor())
    path = f"/v1/simulations/{asked['simulation_id']}"

    answers = [await client.get(path + end, headers=others) for end in ("", "/result")]

    assert [404, 404] == [answer.status_code for answer in answers]
    assert [] == (await client.get("/v1/simulations", headers=others)).json()["simulations"]


async def test_a_process_that_dies_is_begun_anew_and_given_up(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """What is marked as running was left behind: it runs again; after three times it has failed."""
    await sell_by_hand(client, headers, store, vendor)
    once, thrice = [
        (await ask(client, headers, WINDOW | {"plans": [tried("usage")]})).json() for _ in range(2)
    ]
    for number, one in ((1, once), (3, thrice)):
        await execute(
            store,
            "update pricing.simulation set state = 'running', started_at = now(),"
            " attempts = length(:marks) where simulation_id = :id",
            {"id": one["simulation_id"], "marks": "x" * number},
        )

    await simulator.look()

    found = [
        (await client.get(f"/v1/simulations/{one['simulation_id']}", headers=headers)).json()
        for one in (once, thrice)
    ]
    assert ["done", "failed"] == [one["state"] for one in found]
    assert "simulation_crashed" == found[1]["failure"]["code"]


async def test_processes_share_the_tenants(
    client: httpx.AsyncClient,
    headers: Headers,
    store: Database,
    vendor: str,
    *,
    settings: PricingSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tenants that are rated one by one in two processes come to what one process says of all."""
    await sell_by_hand(client, headers, store, vendor)
    url = settings.pricing_database_url.get_secret_value()
    asked = SimulationWrite.model_validate(WINDOW | {"plans": [tried("seats"), tried("usage")]})
    account = Account(vendor, "test")
    monkeypatch.setattr(processes, "PROCESSES_MAX", 1)
    with processes.Pool("spawn") as pool:
        alone = await run_simulation(url, account, asked, pool)

    monkeypatch.setattr(processes, "PROCESSES_MAX", 2)
    monkeypatch.setattr(processes, "TENANTS_AT_ONCE", 1)
    with processes.Pool("spawn") as pool:
        shared = await run_simulation(url, account, asked, pool)

    assert 3 == alone.tenants
    assert alone == shared
