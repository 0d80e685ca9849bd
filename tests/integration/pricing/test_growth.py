"""Growth on a real database: split without a residual, of what statements and rollups say."""

import csv
from datetime import date, timedelta
from fractions import Fraction
from io import StringIO
from itertools import product
from typing import Any

import httpx
import pytest

from services.pricing.repository import statements
from shared.database import Database
from tests.support.pricing_statements import line, statement

from . import progressive_api
from .billing_api import Headers, days_of, seal
from .growth_api import (
    DECEMBER,
    DECEMBER_END,
    GLOBEX,
    INITECH,
    NOVEMBER_END,
    ask,
    by_user,
    close_both_months,
    grown,
    named,
    seal_both_months,
    sell,
    store_usage,
    tokens,
)
from .subscription_api import statements_of


def _sum(parts: list[dict[str, Any]], field: str = "amount") -> Fraction:
    return sum((Fraction(part[field]) for part in parts), Fraction(0))


@pytest.fixture(name="grown_vendor")
async def _grown_vendor(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> str:
    """Return a vendor whose tenants grew, with users of their own."""
    await grown(client, headers, store, vendor)
    users = [
        by_user(f"user-{n % 5}", date(2023, 11, 3) + timedelta(days=n), 1000 + n) for n in range(50)
    ]
    await store_usage(store, vendor, users=users)
    return vendor


async def test_revenue_by_hand(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """450 → 1,500 by agent; of 1,050 fees are 930, and one price makes no mix and no price effect.

    support-0 is kept: from 2 days of 15,000 tokens to 1 of 40,000. A day less takes 27,500 tokens,
    25,000 more a day bring 37,500: -82.5 and 112.5 of its 30.
    """
    await grown(client, headers, store, vendor)

    growth = await ask(client, headers, "growth", of="revenue", unit="agent")

    assert ("450", "1500", "1050", "USD") == (
        *(growth["before"], growth["after"], growth["change"]),
        growth["currency"],
    )
    effects = named(growth["effects"])
    assert {"breadth", "group_mix", "frequency", "depth", "fees"} == effects.keys()
    assert "930" == effects["fees"]
    assert 1050 == _sum(growth["effects"])
    cohorts = growth["cohorts"]
    assert [("new", 2, "90"), ("returned", 0, "0"), ("kept", 1, "30"), ("lost", 0, "0")] == [
        (one["cohort"], one["units"], one["change"]) for one in cohorts["cohorts"]
    ]
    assert ("930", {"frequency": "-82.5", "depth": "112.5"}) == (
        cohorts["outside"],
        named(cohorts["kept"]),
    )
    assert 0 == growth["open_periods"]
    assert (1, 3) == (growth["units"]["before"]["units"], growth["units"]["after"]["units"])


async def test_tokens_by_user_by_hand(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Ada doubles, bob is lost, cleo is new, dan returns; usage of nobody is told apart."""
    november, december = date(2023, 11, 10), date(2023, 12, 10)
    rows = [
        by_user("ada", november, 100),
        by_user("ada", december, 200),
        by_user("bob", november, 40),
        by_user("cleo", december, 30),
        by_user("dan", date(2023, 10, 1), 7),
        by_user("dan", december, 5, kind="output_text"),
        by_user("", december, 11),
        by_user("ada", december, 9, kind="web_search_requests"),
    ]
    await store_usage(store, vendor, users=rows)

    growth = await ask(client, headers, "growth")

    assert ("140", "246", "106") == (growth["before"], growth["after"], growth["change"])
    assert {"new": "41", "returned": "5", "kept": "100", "lost": "-40"} == {
        one["cohort"]: one["change"] for one in growth["cohorts"]["cohorts"]
    }
    assert {"depth": "100"} == named(growth["cohorts"]["kept"])
    assert 106 == _sum(growth["effects"])
    depth = next(one["amount"] for one in growth["effects"] if one["name"] == "depth")
    assert Fraction(depth) == _sum(growth["depth"])
    after = growth["units"]["after"]
    assert (4, 4, 1) == (after["units"], after["active_days"], after["unnamed"])
    assert ("61.5", "20.5") == (after["tokens"]["mean"], after["tokens"]["median"])


@pytest.mark.parametrize(
    ("unit", "of"), list(product(("user", "agent", "tenant"), ("tokens", "revenue")))
)
async def test_every_split_sums_to_the_change(
    client: httpx.AsyncClient, headers: Headers, grown_vendor: str, unit: str, of: str
) -> None:
    """By whichever units: effects to the change, cohorts to the change, kept to the kept ones'."""
    growth = await ask(client, headers, "growth", of=of, unit=unit)

    assert Fraction(growth["change"]) == _sum(growth["effects"])
    cohorts = growth["cohorts"]
    assert (cohorts is None) == (of == "revenue" and unit == "user")
    if cohorts is not None:
        outside = Fraction(cohorts["outside"])
        assert Fraction(growth["change"]) == _sum(cohorts["cohorts"], "change") + outside
        kept = next(one["change"] for one in cohorts["cohorts"] if one["cohort"] == "kept")
        assert Fraction(kept) == _sum(cohorts["kept"])


async def test_tenants_bring_their_fees(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """By tenant nothing is left outside: initech is new with 960, globex kept with 90."""
    await grown(client, headers, store, vendor)

    growth = await ask(client, headers, "growth", of="revenue", unit="tenant")

    cohorts = growth["cohorts"]
    assert {"new": "960", "returned": "0", "kept": "90", "lost": "0"} == {
        one["cohort"]: one["change"] for one in cohorts["cohorts"]
    }
    assert "0" == cohorts["outside"]


async def test_the_revenue_of_all_days_is_what_the_statements_say(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Late usage is of its day, not of the statement that adjusts: November gains 15."""
    await sell(client, headers)
    late = tokens(11, 20, 5_000, booked_day=date(2023, 12, 2))
    await store_usage(store, vendor, *GLOBEX, late)
    await store_usage(store, vendor, *INITECH, tenant="initech")
    await close_both_months(store, vendor)

    growth = await ask(client, headers, "growth", of="revenue", unit="tenant")

    totals = [Fraction(one["total_exact"]) for one in await statements_of(client, headers)]
    assert ("465", "1500") == (growth["before"], growth["after"])
    assert sum(totals) == 465 + 1500
    assert sorted(totals) == [450, 555, 960]


async def test_what_was_credited_of_a_cheaper_period_is_of_its_days(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """4,000 tokens less are 12 off November, though no statement says so; December: 540 and 930."""
    await sell(client, headers)
    await store_usage(store, vendor, *GLOBEX)
    await seal(store, vendor, NOVEMBER_END)
    (november,) = await statements_of(client, headers)
    taken = tokens(11, 10, -4_000, booked_day=date(2023, 12, 1), entry="correction")
    await store_usage(store, vendor, taken, version=2)
    await seal(store, vendor, date(2023, 12, 1))
    credited = await client.post(
        f"/v1/statements/{november['statement_id']}/credit",
        headers={**headers, "Idempotency-Key": "cheaper"},
    )
    assert "credited" == credited.json()["state"], credited.text
    await seal(store, vendor, *days_of(date(2023, 12, 2), DECEMBER_END))
    await seal_both_months(store, vendor, "initech")

    growth = await ask(client, headers, "growth", of="revenue", unit="tenant")

    assert ("438", "1470") == (growth["before"], growth["after"])
    made = await statements_of(client, headers)
    totals = [one["total_exact"] for one in made if one["tenant_id"] == "globex"]
    assert ["450", "540"] == totals


async def test_who_was_taken_back_was_never_there(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A day whose usage was voided is no active day: its user is new, not one who returns."""
    october, december = date(2023, 10, 1), date(2023, 12, 10)
    rows = [
        by_user("ada", october, 100),
        by_user("ada", october, -100, entry="correction"),
        by_user("ada", december, 30),
    ]
    await store_usage(store, vendor, users=rows)

    growth = await ask(client, headers, "growth")

    assert {"new": 1, "returned": 0, "kept": 0, "lost": 0} == {
        one["cohort"]: one["units"] for one in growth["cohorts"]["cohorts"]
    }


async def test_fees_are_of_their_days(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The second half of November has 15 of 30 days of 360, and no usage."""
    await grown(client, headers, store, vendor)
    days = {"from": "2023-11-16", "to": "2023-12-01"}

    growth = await ask(client, headers, "growth", of="revenue", unit="tenant", **days)

    assert ("2023-11-01", "270", "180") == (growth["base_from"], growth["before"], growth["after"])


async def test_what_is_open_is_told(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Two subscriptions have days in December that no statement holds: revenue is to come.

    Of an internal tenant none will.
    """
    await sell(client, headers)
    await store_usage(store, vendor, *GLOBEX)

    growth = await ask(client, headers, "growth", of="revenue", unit="agent")
    body = {"name": "Initech", "billing": "internal"}
    await client.put("/v1/tenants/initech", json=body, headers=headers)
    internal = await ask(client, headers, "growth", of="revenue", unit="agent")

    assert 1 == internal["open_periods"]
    assert (2, None, "0", None) == (
        *(growth["open_periods"], growth["currency"]),
        *(growth["after"], growth["growth_percent"]),
    )


async def test_what_is_invoiced_in_mid_period_counts_once(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Nothing before its period is billed; then 660, and not the 300 of the way once more.

    An order of credit is no revenue: what it pays for is.
    """
    await progressive_api.sell(client, headers, "100")
    await progressive_api.grow(store, vendor, 1, 100)
    assert 1 == await progressive_api.look(store)
    days = {"from": "2023-11-01", "to": "2023-12-01"}
    asked = {"of": "revenue", "unit": "tenant", **days}
    underway = await ask(client, headers, "growth", **asked)
    await seal(store, vendor, NOVEMBER_END)
    order = statement(vendor, line("1000", details=[]), kind="topup", total_exact="1000")
    async with store.transaction() as connection:
        await statements.issue(connection, [order])

    growth = await ask(client, headers, "growth", **asked)

    assert ("0", 1) == (underway["after"], underway["open_periods"])
    assert ("660", 0) == (growth["after"], growth["open_periods"])
    made = await statements_of(client, headers)
    lines = [one for made_one in made for one in made_one["lines"]]
    assert ["300", "360", "1000"] == [one["total_exact"] for one in made]
    naive = sum(Fraction(one["amount_exact"]) for one in lines if not one.get("credited"))
    assert 660 + 300 + 1000 == naive
    assert 360 + 300 == _without_orders(made)


def _without_orders(made: list[dict[str, Any]]) -> Fraction:
    """Return what statements come to without orders of credit."""
    totals = [Fraction(one["total_exact"]) for one in made if one["kind"] != "topup"]
    return sum(totals, Fraction(0))


async def test_an_internal_tenant_brings_nothing_in(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """It is rated, and never billed."""
    await grown(client, headers, store, vendor)
    body = {"name": "Initech", "billing": "internal"}
    await client.put("/v1/tenants/initech", json=body, headers=headers)

    assert "540" == (await ask(client, headers, "growth", of="revenue", unit="tenant"))["after"]


async def test_growth_as_a_file_and_as_a_plot(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The same figures: rows that add up, and a waterfall that ends where the total does."""
    await grown(client, headers, store, vendor)
    asked = DECEMBER | {"of": "revenue", "unit": "agent"}

    file = await client.get("/v1/growth", params=asked, headers={**headers, "Accept": "text/csv"})
    plot = await client.get("/v1/growth", params=asked | {"format": "vega-lite"}, headers=headers)

    rows = list(csv.DictReader(StringIO(file.text)))
    effects = [row for row in rows if row["split"] == "effect"]
    assert "text/csv; charset=utf-8" == file.headers["content-type"]
    assert ["1050"] == [row["change"] for row in rows if row["split"] == "total"]
    assert 1050 == _sum(effects, "change")
    bars = plot.json()["data"]["values"]
    assert [450, 1500] == [bars[0]["to"], bars[-1]["to"]]
    assert 1500 == pytest.approx(bars[-2]["to"])


@pytest.mark.parametrize(
    ("parameters", "code", "paths"),
    [
        ({"to": "2023-12-01"}, "invalid_window", ["to"]),
        ({"base_from": "2023-12-01"}, "invalid_window", ["base_from"]),
        ({"base_from": "2023-12-05", "base_to": "2023-12-04"}, "invalid_window", ["base_to"] * 2),
        ({"of": "joy", "unit": "team"}, "invalid_request", ["of", "unit"]),
        ({"from": "yesterday", "unknown": "1"}, "invalid_request", ["from", "unknown"]),
        ({"currency": "usd"}, "invalid_request", ["currency"]),
    ],
)
async def test_what_cannot_be_asked_is_told_at_once(
    client: httpx.AsyncClient,
    headers: Headers,
    parameters: dict[str, str],
    code: str,
    paths: list[str],
) -> None:
    """Every fault with its place, and a code."""
    answer = await client.get("/v1/growth", params=DECEMBER | parameters, headers=headers)

    assert (400, code) == (answer.status_code, answer.json()["code"])
    assert paths == [fault["path"].removeprefix("query.") for fault in answer.json()["faults"]]
