"""(f) `GET /v1/usage` of one tenant and month, by model and token type, over many rollup rows."""

import time
from typing import Any

import asyncpg
import httpx

from tests.bench.results import Bench, Figure, check
from tests.bench.rig import VENDOR, Rig, fresh_rig

PART = "query"
ROWS = 10_000_000
DAYS = 30
TENANTS = 500
QUERIES = 200
MONTH = {"from": "2026-01-01", "to": "2026-01-31"}
_COLUMNS = (
    "partition, booked_day, row_key, vendor_id, mode, tenant_id, provider, agent, model, kind,"
    " context_band, service_tier, batch, speed, region, purpose, status, usage_day, hour, entry,"
    " quantity, events"
)
_INSERT = f"""
insert into metering.rollup ({_COLUMNS})
select n % 4, date '2026-01-01' + (n / 4 % {DAYS})::int, int8send(n) || int8send(n),
       $1, 'live', 'tenant-' || (n / {4 * DAYS} % {TENANTS}), 'anthropic',
       'agent-' || (n % 7), 'model-' || (n % 5),
       (array['input_uncached', 'input_cache_read', 'output_text'])[1 + n % 3],
       '32k', '', false, '', '', 'production', 'completed',
       date '2026-01-01' + (n / 4 % {DAYS})::int, n % 24, 'usage', n % 1000, 1
from generate_series($2::bigint, $3::bigint) n
"""  # noqa: S608 - our own names
ROWS_PER_INSERT = 500_000


async def measure(bench: Bench) -> None:
    """Fill the rollup, then ask for tenants in turn; each answer must have the exact sum."""
    async with fresh_rig(bench.address, bench.folder) as rig:
        rows = bench.scaled(ROWS)
        await _fill(bench, rig, rows)
        async with rig.api() as (_, port):
            bench.report("usage query")
            values = []
            for _ in range(bench.repeats):
                waits = sorted(await _ask(rig, port, rows))
                values.append(waits[len(waits) * 95 // 100] * 1000)
        extra: dict[str, Any] = {
            "rows": rows,
            "tenants": TENANTS,
            "rows_of_a_tenant": rows // TENANTS,
        }
        bare = sorted(await _bare(rig))
        limit = bare[len(bare) * 95 // 100] * 1000
        extra["limit_is"] = "the bare SQL sum on one connection"
        bench.add(Figure(PART, "p95", "ms", values, better="less", limit=limit, extra=extra))


async def _fill(bench: Bench, rig: Rig, rows: int) -> None:
    connection = await asyncpg.connect(rig.urls.urls["metering"])
    try:
        for first in range(0, rows, ROWS_PER_INSERT):
            bench.report(f"usage query: {first:,} of {rows:,} rollup rows")
            last = min(first + ROWS_PER_INSERT, rows) - 1
            await connection.execute(_INSERT, VENDOR, first, last)
        await connection.execute("vacuum analyze metering.rollup")
        found = await connection.fetchval("select count(*) from metering.rollup")
        check(rows, found, "rollup rows")
    finally:
        await connection.close()


async def _ask(rig: Rig, port: int, rows: int) -> list[float]:
    """Return the seconds of each query."""
    waits: list[float] = []
    events = 0
    url, headers = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {rig.key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60.0) as client:
        for number in range(max(QUERIES, TENANTS)):
            params = MONTH | {"tenant": f"tenant-{number % TENANTS}", "group_by": "model,kind"}
            began = time.perf_counter()
            answer = await client.get("/v1/usage", params=params)
            waits.append(time.perf_counter() - began)
            answer.raise_for_status()
            if number < TENANTS:
                events += sum(row["events"] for row in answer.json()["rows"])
    check(rows, events, "events in the answers for all tenants")
    return waits


async def _bare(rig: Rig) -> list[float]:
    connection: Any = await asyncpg.connect(rig.urls.urls["metering"])
    statement = await connection.prepare(
        "select model, kind, sum(quantity), sum(events) from metering.rollup where vendor_id = $1"
        " and mode = 'live' and tenant_id = $2 and usage_day >= date '2026-01-01'"
        " and usage_day < date '2026-01-31' group by 1, 2 order by 1, 2"
    )
    waits = []
    for number in range(QUERIES):
        began = time.perf_counter()
        await statement.fetch(VENDOR, f"tenant-{number % TENANTS}")
        waits.append(time.perf_counter() - began)
    await connection.close()
    return waits
