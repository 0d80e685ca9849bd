"""Simulations: plans over past usage, by what bills, in a process of their own."""

from collections import defaultdict
from datetime import date
from fractions import Fraction

import httpx
import pytest

from services.pricing.settings import PricingSettings
from services.pricing.simulating import Simulator
from shared.database import Database
from shared.money import parse_exact

from .billing_api import Headers, days_of, seal, statements_of
from .simulation_api import TENANTS, by_tenant, sell, simulate, use

WINDOW = {"start": "2023-11-01", "end": "2023-12-01"}


@pytest.fixture(name="simulator")
def _simulator(store: Database, settings: PricingSettings) -> Simulator:
    return Simulator(store, settings.pricing_database_url.get_secret_value())


def plan(name: str, version: int | None = None) -> dict[str, object]:
    return {"price_book": "demo", "plan": name, "version": version}


async def billed(client: httpx.AsyncClient, headers: Headers) -> dict[str, Fraction]:
    """Return what the statements of each tenant come to."""
    totals: dict[str, Fraction] = defaultdict(Fraction)
    for statement in await statements_of(client, headers):
        totals[statement["tenant_id"]] += parse_exact(statement["total_exact"])
    return totals


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
