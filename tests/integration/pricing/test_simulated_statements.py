"""The simulation of what a tenant is on is its closed statements, whatever terms it has.

A statement is held against it by the periods that its lines are for: an opening statement's fees
are those of the first period, an adjustment is of the period that it adjusts. What then becomes of
a statement (prepaid credits drawn, its pre-tax total on the invoice) is proven to be the statement
by `tests/e2e/test_spend_and_credit_are_invoiced.py` and `test_usage_becomes_invoice.py`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import product
from typing import Any

import httpx
import pytest

from services.pricing.handlers.wallets import give
from services.pricing.repository.wallets import Wallet
from services.pricing.settings import PricingSettings
from services.pricing.simulating import Simulator
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.meter_wanted import MeterWanted
from shared.money import parse_exact
from tests.support.credit_values import grant
from tests.support.pricing_service import Metering
from tests.support.pricing_usage import usage_row

from . import meter_values_api, progressive_api, seats_api
from .billing_api import Headers, days_of, neighbours, seal, statements_of
from .fees_api import in_advance
from .seats_api import Used, assign, november, sell_seats, to_hold
from .simulation_api import Answer, by_tenant, simulate, store_rows
from .subscription_api import change, publish_book, subscribe, use

WINDOW = ("2023-11-01", "2023-12-01")
OCTOBER_END, JANUARY_10 = date(2023, 10, 31), date(2024, 1, 10)
MODEL = "claude-fable-5-2"
"""Its provider has prices of batches and of speed."""

Amounts = dict[str, Fraction]


@pytest.fixture(name="simulator")
def _simulator(store: Database, settings: PricingSettings) -> Simulator:
    return Simulator(store, settings.pricing_database_url.get_secret_value())


def over(book: str, plan: str, window: tuple[str, str] = WINDOW) -> Answer:
    start, end = window
    return {"start": start, "end": end, "plans": [{"price_book": book, "plan": plan}]}


def stated(statements: Sequence[Answer], window: tuple[str, str] = WINDOW) -> Amounts:
    """Return what statements charge for periods that end in `(start, end]`, by tenant."""
    start, end = window
    sums: Amounts = defaultdict(Fraction)
    for statement in statements:
        for line in statement["lines"]:
            of = line.get("advance") or line.get("adjusts") or statement
            if start < of["period_end"] <= end:
                sums[statement["tenant_id"]] += parse_exact(line["amount_exact"])
    return sums


def simulated(result: Answer, plan: str = "today") -> Amounts:
    return {t: parse_exact(one["revenue"]["exact"]) for t, one in by_tenant(result, plan).items()}


async def test_fees_in_advance_are_of_their_own_period(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """An upgrade, seats up and down, an end in January: period by period, and in all."""
    await publish_book(client, headers, content=in_advance())
    await subscribe(client, headers)
    await seal(store, vendor, OCTOBER_END)
    for kind, when, values in (
        ("plan", "2023-11-16", {"plan": "business"}),
        ("seats", "2023-11-16", {"seats": 4}),
        ("seats", "2023-11-21", {"seats": 1}),
        ("seats", "2023-12-11", {"seats": 6}),
        ("cancel", "2024-01-11", {}),
    ):
        assert (await change(client, headers, kind, when, **values)).is_success
    await use(store, vendor, (3, "input_uncached", 7_000), (20, "input_uncached", 11_000))
    await seal(store, vendor, *days_of(date(2023, 11, 1), JANUARY_10))
    statements = await statements_of(client, headers)

    windows = [WINDOW, ("2023-11-01", "2024-01-11")]
    results = [
        await simulate(client, headers, simulator, over("sold", "business", window))
        for window in windows
    ]

    assert ["opening", "period", "period", "period"] == [one["kind"] for one in statements]
    assert [stated(statements, window) for window in windows] == list(map(simulated, results))
    assert (
        sum(parse_exact(one["total_exact"]) for one in statements)
        == (simulated(results[-1])["globex"])
    )
    # November in arrears: 150 of 300 and 450 of 900, two seats and two for half of it, usage at 3.
    assert 150 + 450 + 60 + 30 + 54 == simulated(results[0])["globex"]


def bounded() -> tuple[Answer, tuple[str, ...]]:
    """Return a book with all that bounds amounts, on charges and on plans, and its plans."""
    usage, per = {"kinds": ["input_uncached"]}, {"per": "1000", "unit_amount": "3"}
    tokens = {"model": "per_unit", "usage": usage, **per}
    conditions: dict[str, Answer] = {
        "plain": {},
        "capped": {"maximum_amount": "40"},
        "raised": {"minimum_amount": "140"},
        "promised": {"commitment": {"quantity": "50000"}},
        "exceeded": {"commitment": {"amount": "10", "overage_factor": "1.5"}},
        "rebated": {"discount_percent": "12.5", "discount_amount": "7"},
        "pooled": {"pools": ["gift", "units"], "free_units": "1000"},
        "paid": {"pools": ["money"], "on_demand_limit": "25"},
    }
    around: dict[str, Answer] = {
        "plan-capped": {"maximum_amount": "60"},
        "plan-raised": {"minimum_amount": "200"},
        "plan-promised": {"commitment": {"amount": "300"}},
        "plan-exceeded": {"commitment": {"amount": "20", "overage_factor": "1.25"}},
    }
    charges = [{"key": key, "name": key, **tokens, **values} for key, values in conditions.items()]
    seat = {"key": "seat", "name": "Seat", "model": "per_seat", "unit_amount": "17"}
    plans = [{"key": k, "name": k, "charges": [k, "seat"]} for k in conditions]
    plans += [
        {"key": key, "name": key, "charges": ["plain", "seat"], **values}
        for key, values in around.items()
    ]
    pools = [
        {"key": "gift", "name": "Gift", "included": "4000", "ends_on": "2023-11-15"},
        {"key": "units", "name": "Units", "included": "1000", "included_per_seat": "2000"},
        {"key": "money", "name": "Money", "measure": "amount", "included": "11"},
    ]
    content = {"currency": "USD", "pools": pools, "charges": [*charges, seat], "plans": plans}
    return content, (*conditions, *around)


HELD: dict[str, Answer] = {
    "whole": {"starts_on": "2023-11-01", "seats": 3},
    "in the middle": {"starts_on": "2023-11-11", "seats": 3, "ends_on": "2023-11-25"},
    "trial": {"starts_on": "2023-11-06", "seats": 2, "trial_days": 7},
    "anchor": {"starts_on": "2023-10-09", "seats": 2, "anchor_day": 15},
}


async def test_bounds_pools_and_commitments(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Each plan, held for a whole period, in the middle, on trial, from an odd day: as stated."""
    content, plans = bounded()
    published = await publish_book(client, headers, content=content, effective_on="2023-10-01")
    assert published.is_success, published.text
    held = list(product(plans, HELD))
    tenants = dict(zip(neighbours(Account(vendor, "test"), len(held)), held, strict=True))
    metering = Metering("", vendor)
    for tenant, (plan, how) in tenants.items():
        await client.put(f"/v1/tenants/{tenant}", json={"name": tenant}, headers=headers)
        terms = {"tenant_id": tenant, "plan": plan, **HELD[how]}
        made = await subscribe(client, headers, tenant, **terms)
        assert made.is_success, made.text
        rows = [
            usage_row(date(2023, month, day), "input_uncached", thousands * 1_000)
            for month, day, thousands in ((10, 20, 9), (11, 3, 3), (11, 14, 6), (11, 22, 14))
        ]
        await store_rows(store, metering, tenant, rows)
    await seal(store, vendor, *days_of(date(2023, 10, 1), date(2023, 11, 30)))

    result = await simulate(client, headers, simulator, over("sold", "plain"))

    expected = stated(await statements_of(client, headers))
    assert set(tenants) == set(expected)
    assert expected == simulated(result)
    # The plan that a tenant is on is tried on it as it is billed.
    for tenant in (tenant for tenant, (plan, _) in tenants.items() if plan == "plain"):
        assert expected[tenant] == simulated(result, "sold/plain")[tenant]


async def test_prepaid_credits_pay_what_was_rated(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Revenue is before credits: what they pay of the statement, and the rest that is invoiced."""
    held = Wallet(vendor, "test", "globex", "USD")
    async with store.transaction() as connection:
        await give(connection, held, grant("a", 250), on=date(2023, 11, 1), origin="grant")
    await publish_book(client, headers)
    await subscribe(client, headers)
    await use(store, vendor, (3, "input_uncached", 7_000))
    await seal(store, vendor, date(2023, 11, 30))

    result = await simulate(client, headers, simulator, over("sold", "team"))

    (statement,) = await statements_of(client, headers)
    drawn = sum(parse_exact(draw["amount_exact"]) for draw in statement["credits"])
    assert [250, 381] == [drawn, parse_exact(statement["total_exact"])]
    assert {"globex": Fraction(381)} == simulated(result) == stated([statement])


async def test_seats_with_pools_that_are_held_by_name(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Two classes of seats, a holder from the 11th on, a seat more in the middle, one user more."""
    await sell_seats(client, headers, premium=1, standard=1)
    await assign(
        client, headers, to_hold("ada", "premium"), to_hold("bob", "standard", "2023-11-11")
    )
    more = {"seats": 2, "seat_class": "standard"}
    assert (await change(client, headers, "seats", "2023-11-21", **more)).is_success
    used = [
        Used(user, november(day), millions)
        for user, day, millions in (("ada", 3, 6), ("bob", 20, 2), ("zed", 3, 10), ("cy", 25, 1))
    ]
    await seats_api.use(store, vendor, *used)
    await seal(store, vendor, *days_of(november(1), november(30)))

    result = await simulate(client, headers, simulator, over("sold", "teams"))

    expected = stated(await statements_of(client, headers))
    assert expected == simulated(result) == simulated(result, "sold/teams")


async def test_what_a_price_looks_at_is_there(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """Batch, context, region and purpose move the price, and the cost, as on a bill."""
    factors = [
        {"name": name, "dimension": dimension, "value": value, "factor": factor}
        for name, dimension, value, factor in (
            ("batch", "batch", "true", "0.5"),
            ("fast", "speed", "fast", "6"),
            ("eu", "region", "eu", "1.1"),
            ("explore", "purpose", "explore", "0.75"),
        )
    ]
    cells: list[Answer] = [{"unit_amount": "4"}, {"context_bands": ["200k"], "unit_amount": "10"}]
    charge: Answer = {
        "key": "tokens",
        "name": "T",
        "model": "matrix",
        "per": "1000",
        "cells": cells,
    }
    charge |= {"usage": {"kinds": ["input_uncached"]}, "multipliers": factors}
    plans = [{"key": "all", "name": "All", "charges": ["tokens"]}]
    content = {"currency": "USD", "charges": [charge], "plans": plans}
    published = await publish_book(client, headers, content=content)
    assert published.is_success, published.text
    await subscribe(client, headers, plan="all", seats=0)
    circumstances: tuple[Mapping[str, Any], ...] = (
        {},
        {"batch": True},
        {"speed": "fast"},
        {"region": "eu"},
        {"purpose": "explore"},
        {"context_band": "200k", "batch": True},
    )
    rows = [
        usage_row(november(3), "input_uncached", thousands * 1_000, model=MODEL, **values)
        for thousands, values in enumerate(circumstances, start=1)
    ]
    await store_rows(store, Metering("", vendor), "globex", rows)
    await seal(store, vendor, november(30))

    result = await simulate(client, headers, simulator, over("sold", "all"))

    (statement,) = await statements_of(client, headers)
    # 4, half of 8, 6 x 12, 1.1 x 16, three quarters of 20, half of 60.
    assert Fraction("142.6") == parse_exact(statement["total_exact"])
    assert stated([statement]) == simulated(result) == simulated(result, "sold/all")
    assert "priced" == statement["cost"]["state"]
    assert (
        statement["cost"]["amount_exact"] == by_tenant(result, "today")["globex"]["cost"]["exact"]
    )


async def test_values_of_meters_are_those_that_were_billed(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database, simulator: Simulator
) -> None:
    """The final value of the period counts, beside usage; a tried plan reads the newest one."""
    question = MeterWanted(
        vendor_id=vendor,
        mode="test",
        tenant_id="globex",
        request_id="of-november",
        name="people",
        meter_version=1,
        period_start=november(1),
        period_end=date(2023, 12, 1),
        booked_before=date(2023, 12, 1),
    )
    await meter_values_api.answer(sold, meter_values_api.valued(question, "42"))
    await store_rows(
        sold, Metering("", vendor), "globex", [usage_row(november(3), "output_text", 700)]
    )
    await seal(sold, vendor, *days_of(november(1), november(30)))

    result = await simulate(client, headers, simulator, over("demo", "support"))

    # 42 people at 5, and 700 at a cent.
    assert {"globex": Fraction(217)} == simulated(result)
    assert {"globex": Fraction(217)} == stated(await statements_of(client, headers))


async def test_what_was_invoiced_on_the_way(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, simulator: Simulator
) -> None:
    """A progressive statement and the rest at the end are one period's revenue."""
    await progressive_api.sell(client, headers, "100")
    await progressive_api.grow(store, vendor, 1, 40)
    assert 1 <= await progressive_api.look(store)
    await progressive_api.grow(store, vendor, 2, 55)
    await seal(store, vendor, *days_of(november(1), november(30)))

    result = await simulate(client, headers, simulator, over("sold", "team"))

    statements = await statements_of(client, headers)
    assert ["progressive", "period"] == [one["kind"] for one in statements]
    assert 360 + 165 == simulated(result)["globex"] == stated(statements)["globex"]
