"""The live bill: `GET /v1/tenants/{tenant}/bill` of an open period with 200 rows of usage."""

import time
from typing import Any

import asyncpg
import httpx

from shared.money import parse_exact
from tests.bench.pricing_data import END, ROWS, START, expected_total
from tests.bench.pricing_rig import PricingRig, pricing_rig
from tests.bench.results import Bench, Figure, check
from tests.bench.rig import VENDOR

PART = "bill"
TENANTS = 10_000
QUERIES = 500
EVENTS_MORE = 1_000_000


async def measure(bench: Bench) -> None:
    """Ask for bills of tenants in turn; then again when their rows stand for more events."""
    async with pricing_rig(bench, bench.scaled(TENANTS)) as rig:
        extra: dict[str, Any] = {"tenants": rig.tenants, "rows_of_a_tenant": ROWS}
        async with rig.running() as (_, port):
            values = await _percentiles(bench, rig, port, times=1)
            limit = _p95(await _bare(rig))
            extra["limit_is"] = "the bare SQL of the tenant's rows on one connection"
            figure = Figure(PART, "p95", "ms", values, better="less", limit=limit, extra=extra)
            bench.add(figure)
            await _multiply(rig)
            values = await _percentiles(bench, rig, port, times=EVENTS_MORE)
            name = f"p95, {EVENTS_MORE:,} times the events"
            bench.add(Figure(PART, name, "ms", values, better="less", extra=extra))


async def _percentiles(bench: Bench, rig: PricingRig, port: int, *, times: int) -> list[float]:
    bench.report("bill")
    return [_p95(await _ask(rig, port, times)) for _ in range(bench.repeats)]


def _p95(waits: list[float]) -> float:
    return sorted(waits)[len(waits) * 95 // 100] * 1000


async def _ask(rig: PricingRig, port: int, times: int) -> list[float]:
    """Return the seconds of each request; no bill leaves a row out.

    Totals are compared as long as the quantities are those of `pricing_data`.
    """
    waits = []
    url, headers = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {rig.rig.key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60.0) as client:
        for number in range(QUERIES):
            tenant = number * 7 % rig.tenants
            began = time.perf_counter()
            answer = await client.get(f"/v1/tenants/tenant-{tenant}/bill")
            waits.append(time.perf_counter() - began)
            answer.raise_for_status()
            (bill,) = answer.json()["subscriptions"]
            check([], bill["unrated"], "unrated usage")
            if times == 1:
                check(expected_total(tenant), parse_exact(bill["total_exact"]), "the bill")
    return waits


async def _multiply(rig: PricingRig) -> None:
    """Let each row stand for more events: as many rows as before."""
    connection: Any = await asyncpg.connect(rig.url)
    try:
        await connection.execute(
            "update pricing.usage_daily set quantity = quantity * $1, events = events * $2",
            EVENTS_MORE,
            EVENTS_MORE,
        )
        await connection.execute("vacuum analyze pricing.usage_daily")
    finally:
        await connection.close()


async def _bare(rig: PricingRig) -> list[float]:
    connection: Any = await asyncpg.connect(rig.url)
    statement = await connection.prepare(
        "select agent, model, kind, context_band, service_tier, batch, speed, region, purpose,"
        " status, usage_day, sum(quantity) from pricing.usage_daily where vendor_id = $1"
        " and mode = 'live' and tenant_id = $2 and booked_day >= $3 and booked_day < $4"
        " group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
    )
    waits = []
    for number in range(QUERIES):
        began = time.perf_counter()
        await statement.fetch(VENDOR, f"tenant-{number * 7 % rig.tenants}", START, END)
        waits.append(time.perf_counter() - began)
    await connection.close()
    return waits
