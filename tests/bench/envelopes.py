"""Decisions about reservations, while usage comes and is looked at.

Each client reserves, extends, and commits or releases, over and over, each time of another tenant:
once at a steady rate, once as fast as it is answered, when whoever waits measures the queue of his
own making. Meanwhile usage of some tenants changes every half second, and the watcher looks at it.
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
RATE = 200
"""Requests a second of the steady load: eight million runs a day. A wait counts from when a request
was due, so one that is late makes the next ones late, too."""
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


@dataclass(frozen=True)
class Round:
    """Waits at the steady rate, and without a rest, which took so many seconds."""

    steady: Waits
    eager: Waits
    seconds: float


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
    _add_steady(bench, [one.steady for one in found], extra | {"requests_a_second": RATE})
    speeds = [cycles * 3 / one.seconds for one in found]
    bench.add(Figure(PART, "decisions, 8 clients without a rest", "1/s", speeds, extra=extra))
    for percent in (50, 99):
        values = [percentile(_all(one.eager), percent) for one in found]
        name = f"p{percent}, 8 clients without a rest"
        bench.add(Figure(PART, name, "ms", values, better="less", extra=extra))


def _add_steady(bench: Bench, found: list[Waits], extra: dict[str, Any]) -> None:
    for percent in (50, 99):
        values = [percentile(_all(one), percent) for one in found]
        name = f"reservation p{percent} at {RATE}/s"
        bench.add(Figure(PART, name, "ms", values, better="less", extra=extra))
    for kind in KINDS:
        values = [percentile(one[kind], 99) for one in found]
        bench.add(Figure(PART, f"{kind} p99 at {RATE}/s", "ms", values, better="less", extra=extra))


def _all(waits: Waits) -> list[float]:
    return [wait for own in waits.values() for wait in own]


def sized(bench: Bench, count: int) -> int:
    """Return a number at this run's scale, at least 1."""
    return max(1, int(count * bench.scale))


def percentile(waits: list[float], percent: int) -> float:
    """Return milliseconds."""
    return sorted(waits)[len(waits) * percent // 100] * 1000


async def run(bench: Bench, rig: PricingRig, *, holds: int, cycles: int) -> list[Round]:
    """Return each repetition; raises when what is held, used or metered is wrong."""
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
                steady = await _round(rig, port, f"s{repeat}", cycles, expected, rate=RATE)
                began = time.perf_counter()
                eager = await _round(rig, port, f"e{repeat}", cycles, expected)
                found.append(Round(steady, eager, time.perf_counter() - began))
        await until_looked(rig)
        await _check(rig, port, expected)
    return found


@asynccontextmanager
async def usage_coming(rig: PricingRig) -> AsyncIterator[None]:
    """Let usage of some tenants change again and again until the block ends."""
    # One for all changes: to open one takes this process longer than a decision takes.
    connection: Any = await asyncpg.connect(rig.url)

    async def go() -> None:
        first = 0
        while True:
            await use_more(connection, first, min(first + CHANGED_AT_ONCE, rig.tenants) - 1)
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
        await connection.close()


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
                await _put(client, f"held-{number}", number % rig.tenants, ESTIMATE, 0.0)

    await asyncio.gather(*(ask(first) for first in range(CLIENTS)))
    for number in range(count):
        expected.add(number % rig.tenants, ESTIMATE)


async def _round(
    rig: PricingRig,
    port: int,
    prefix: str,
    cycles: int,
    expected: Expected,
    *,
    rate: float | None = None,
) -> Waits:
    """Ask three times a cycle: so often a second in all, or as soon as the last is answered."""
    waits: Waits = {kind: [] for kind in KINDS}
    start = time.perf_counter()

    async def due(request: int) -> float:
        """Return when a request is to be made, not before it is."""
        now = time.perf_counter()
        if rate is None:
            return now
        at = start + request / rate
        await asyncio.sleep(at - now)
        return at

    async def ask(first: int) -> None:
        async with OneConnection.to(port, rig.rig.key) as client:
            for number in range(first, cycles, CLIENTS):
                name, tenant = f"{prefix}-{number}", number % rig.tenants
                # The next three requests of a client are those of eight cycles later.
                at = [number // CLIENTS * CLIENTS * 3 + first + step * CLIENTS for step in range(3)]
                kind = "commit" if number % 4 else "release"
                began = await due(at[0])
                waits["reserve"].append(await _put(client, name, tenant, ESTIMATE, began))
                began = await due(at[1])
                waits["extend"].append(await _put(client, name, tenant, MORE, began))
                began = await due(at[2])
                waits[kind].append(await _settle(client, name, kind, began))

    await asyncio.gather(*(ask(first) for first in range(CLIENTS)))
    for number in range(cycles):
        if number % 4:
            expected.add(number % rig.tenants, USED)
    return waits


async def _put(client: OneConnection, name: str, tenant: int, estimate: str, began: float) -> float:
    """Return the seconds since it was due."""
    body = {
        "work": {"tenant": f"tenant-{tenant}", "agent": "agent-0", "run": name},
        "estimate": estimate,
        "ttl_seconds": TTL_SECONDS,
    }
    answer = await client.call("PUT", f"/v1/reservations/{name}", body)
    wait = time.perf_counter() - began
    check((True, estimate), (answer["granted"], answer["estimate"]), name)
    return wait


async def _settle(client: OneConnection, name: str, kind: str, began: float) -> float:
    """Return the seconds since it was due."""
    body = {"amount": USED} if kind == "commit" else None
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
