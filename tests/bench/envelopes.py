"""Decisions about reservations: eight clients at once, while usage comes and is looked at.

Each client reserves, extends, and commits or releases, over and over, each time of another tenant.
Meanwhile usage of some tenants changes every half second, and the watcher looks at it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import asyncpg

from shared.money import parse_exact
from tests.bench.envelope_data import (
    ENVELOPES_OF_A_TENANT,
    analyze,
    check_totals,
    fill,
    held_of_tenants,
    use_more,
)
from tests.bench.one_connection import OneConnection
from tests.bench.pricing_rig import PricingRig, pricing_rig
from tests.bench.results import Bench, Figure, check

PART = "envelopes"
TENANTS = 1_000
HOLDS = 2_000
CYCLES = 2_000
"""Of one round: of each cycle three requests."""
CLIENTS = 8
CHANGED_AT_ONCE = 20
"""Tenants whose usage changes each half second."""
CHANGE_SECONDS = 0.5
LOOK_SECONDS = 5.0
"""The default of the setting."""
LOOKS_PATIENCE_SECONDS = 300.0
LOOKED_SECONDS = 0.2
ESTIMATE, MORE, USED = "0.25", "0.5", "0.4"
TTL_SECONDS = 86_400
KINDS = ("reserve", "extend", "commit", "release")

Waits = dict[str, list[float]]
"""Kind of request -> seconds of each."""


@dataclass
class Expected:
    """What has to be there at the end: dollars by tenant, held or committed."""

    held: dict[int, Fraction]

    def add(self, tenant: int, amount: str) -> None:
        self.held[tenant] = self.held.get(tenant, Fraction(0)) + Fraction(amount)


async def measure(bench: Bench) -> None:
    """Hold much, then decide for eight clients, again and again; nothing is lost."""
    tenants = sized(bench, TENANTS)
    holds, cycles = sized(bench, HOLDS), sized(bench, CYCLES)
    async with pricing_rig(bench, tenants) as rig:
        found = await run(bench, rig, holds=holds, cycles=cycles)
    extra: dict[str, Any] = {
        "tenants": tenants,
        "envelopes": tenants * ENVELOPES_OF_A_TENANT,
        "open_holds": holds,
        "clients": CLIENTS,
        "requests": cycles * 3,
        "seconds_between_looks": LOOK_SECONDS,
    }
    rounds = [[wait for waits in one.values() for wait in waits] for one in found]
    for percent in (50, 99):
        values = [percentile(waits, percent) for waits in rounds]
        name = f"reservation p{percent}"
        bench.add(Figure(PART, name, "ms", values, better="less", extra=extra))
    for kind in KINDS:
        values = [percentile(one[kind], 99) for one in found]
        bench.add(Figure(PART, f"{kind} p99", "ms", values, better="less", extra=extra))


def sized(bench: Bench, count: int) -> int:
    """Return a number at this run's scale, at least 1."""
    return max(1, int(count * bench.scale))


def percentile(waits: list[float], percent: int) -> float:
    """Return milliseconds."""
    return sorted(waits)[len(waits) * percent // 100] * 1000


async def run(bench: Bench, rig: PricingRig, *, holds: int, cycles: int) -> list[Waits]:
    """Return the waits of each repetition; raises when what is held, used or metered is wrong."""
    bench.report(f"envelopes: {rig.tenants:,} tenants")
    await fill(rig)
    quick = replace(rig, rig=rig.rig.with_settings(pricing_envelope_interval_seconds=LOOK_SECONDS))
    expected = Expected({})
    async with quick.running() as (_, port):
        await _reserve_all(rig, port, holds, expected)
        await until_looked(rig)
        await analyze(rig)
        found = []
        async with usage_coming(rig):
            for repeat in range(bench.repeats):
                bench.report(f"envelopes: reservations, {repeat + 1} of {bench.repeats}")
                found.append(await _round(rig, port, f"r{repeat}", cycles, expected))
        await until_looked(rig)
        await _check(rig, port, expected)
    return found


@asynccontextmanager
async def usage_coming(rig: PricingRig) -> AsyncIterator[None]:
    """Let usage of some tenants change again and again until the block ends."""

    async def go() -> None:
        first = 0
        while True:
            await use_more(rig, first, CHANGED_AT_ONCE)
            first = (first + CHANGED_AT_ONCE) % rig.tenants
            await asyncio.sleep(CHANGE_SECONDS)

    task = asyncio.create_task(go())
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until_looked(rig: PricingRig) -> None:
    """Wait until a look that began after now has ended."""
    connection: Any = await asyncpg.connect(rig.url)
    try:
        began = await connection.fetchval("select clock_timestamp()")
        async with asyncio.timeout(LOOKS_PATIENCE_SECONDS):
            while True:
                query = "select max(looked_at) from pricing.envelope_look"
                looked = await connection.fetchval(query)
                if looked is not None and looked > began:
                    return
                await asyncio.sleep(LOOKED_SECONDS)
    finally:
        await connection.close()


async def _reserve_all(rig: PricingRig, port: int, count: int, expected: Expected) -> None:
    """Hold so much that stays open."""

    async def ask(first: int) -> None:
        async with OneConnection.to(port, rig.rig.key) as client:
            for number in range(first, count, CLIENTS):
                await _put(client, f"held-{number}", number % rig.tenants, ESTIMATE)

    await asyncio.gather(*(ask(first) for first in range(CLIENTS)))
    for number in range(count):
        expected.add(number % rig.tenants, ESTIMATE)


async def _round(rig: PricingRig, port: int, prefix: str, cycles: int, expected: Expected) -> Waits:
    waits: Waits = {kind: [] for kind in KINDS}

    async def ask(first: int) -> None:
        async with OneConnection.to(port, rig.rig.key) as client:
            for number in range(first, cycles, CLIENTS):
                name, tenant = f"{prefix}-{number}", number % rig.tenants
                waits["reserve"].append(await _put(client, name, tenant, ESTIMATE))
                waits["extend"].append(await _put(client, name, tenant, MORE))
                kind = "commit" if number % 4 else "release"
                waits[kind].append(await _settle(client, name, kind))

    await asyncio.gather(*(ask(first) for first in range(CLIENTS)))
    for number in range(cycles):
        if number % 4:
            expected.add(number % rig.tenants, USED)
    return waits


async def _put(client: OneConnection, name: str, tenant: int, estimate: str) -> float:
    body = {
        "work": {"tenant": f"tenant-{tenant}", "agent": "agent-0", "run": name},
        "estimate": estimate,
        "ttl_seconds": TTL_SECONDS,
    }
    began = time.perf_counter()
    answer = await client.call("PUT", f"/v1/reservations/{name}", body)
    wait = time.perf_counter() - began
    check((True, estimate), (answer["granted"], answer["estimate"]), name)
    return wait


async def _settle(client: OneConnection, name: str, kind: str) -> float:
    body = {"amount": USED} if kind == "commit" else None
    began = time.perf_counter()
    answer = await client.call("POST", f"/v1/reservations/{name}/{kind}", body)
    wait = time.perf_counter() - began
    check({"commit": "committed", "release": "released"}[kind], answer["state"], name)
    return wait


async def _check(rig: PricingRig, port: int, expected: Expected) -> None:
    """Compare every tenant's holds and metered usage, and one state as it is shown."""
    check(expected.held, await held_of_tenants(rig), "dollars held or committed")
    await check_totals(rig)
    async with OneConnection.to(port, rig.rig.key) as client:
        state = await client.call("GET", "/v1/envelopes/e-0-0/state", None)
    (run,) = [one for one in state["ledgers"] if one["ledger"] == "run"]
    found = parse_exact(run["used"]) - parse_exact(run["metered"])
    open_now = (await held_of_tenants(rig, counting=True)).get(0, Fraction(0))
    check(open_now, found, f"dollars held of tenant-0, {json.dumps(run)}")
