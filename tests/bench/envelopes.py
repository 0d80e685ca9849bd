"""Reservations: `PUT /v1/reservations/{id}` of eight clients at once, among many open holds."""

import asyncio
import math
import time
from fractions import Fraction
from typing import Any

import httpx

from shared.money import parse_exact
from tests.bench.pricing_rig import pricing_rig
from tests.bench.results import Bench, Figure, check

PART = "envelopes"
ENVELOPES = 200
HOLDS = 2_000
REQUESTS = 4_000
CLIENTS = 8
ESTIMATE = "0.25"
TTL_SECONDS = 86_400
ENVELOPE = {"amount": "1000000", "loop": {"requests_max": 1_000_000, "spend_max": "1000000"}}


async def measure(bench: Bench) -> None:
    """Hold much, then reserve from eight clients in turn; nothing that was held is lost."""
    envelopes, holds = bench.scaled(ENVELOPES), bench.scaled(HOLDS)
    requests = bench.scaled(REQUESTS)
    async with pricing_rig(bench, envelopes) as rig, rig.running() as (_, port):
        headers = {"authorization": f"Bearer {rig.rig.key}"}
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60.0) as client:
            bench.report(f"envelopes: {envelopes:,} with {holds:,} open holds")
            for number in range(envelopes):
                written = ENVELOPE | {"scope": {"tenant": f"tenant-{number}"}}
                answer = await client.put(f"/v1/envelopes/e-{number}", json=written)
                answer.raise_for_status()
            await _reserve(client, "held", holds, envelopes)
            bench.report("envelopes: reservations")
            rounds = [
                await _reserve(client, f"round-{repeat}", requests, envelopes)
                for repeat in range(bench.repeats)
            ]
            await _check(client, envelopes, [holds, *[requests] * bench.repeats])
    extra: dict[str, Any] = {
        "envelopes": envelopes,
        "open_holds": holds,
        "clients": CLIENTS,
        "requests": requests,
    }
    for percent in (50, 99):
        values = [_percentile(waits, percent) for waits in rounds]
        name = f"reservation p{percent}"
        bench.add(Figure(PART, name, "ms", values, better="less", extra=extra))


def _percentile(waits: list[float], percent: int) -> float:
    return sorted(waits)[len(waits) * percent // 100] * 1000


async def _reserve(
    client: httpx.AsyncClient, prefix: str, count: int, envelopes: int
) -> list[float]:
    """Return the seconds of each of so many reservations, all granted, by `CLIENTS` at once."""

    async def ask(first: int) -> list[float]:
        waits = []
        for number in range(first, count, CLIENTS):
            name = f"{prefix}-{number}"
            body = {
                "work": {"tenant": f"tenant-{number % envelopes}", "run": name},
                "estimate": ESTIMATE,
                "ttl_seconds": TTL_SECONDS,
            }
            began = time.perf_counter()
            answer = await client.put(f"/v1/reservations/{name}", json=body)
            waits.append(time.perf_counter() - began)
            answer.raise_for_status()
            check("open", answer.json()["state"], name)
        return waits

    parts = await asyncio.gather(*(ask(first) for first in range(CLIENTS)))
    return [wait for waits in parts for wait in waits]


async def _check(client: httpx.AsyncClient, envelopes: int, counts: list[int]) -> None:
    """Compare what the first envelope uses with what was held of it, and with its metered usage."""
    answer = await client.get("/v1/envelopes/e-0/state")
    answer.raise_for_status()
    (run,) = [one for one in answer.json()["ledgers"] if one["ledger"] == "run"]
    found = parse_exact(run["used"]) - parse_exact(run["metered"])
    check(
        sum(math.ceil(count / envelopes) for count in counts) * Fraction(ESTIMATE),
        found,
        "dollars held",
    )
