"""(c) End to end: HTTP to queryable, sustained. (d) Freshness at half of that."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil
import uuid_utils

from tests.bench.load import Load
from tests.bench.log import produce
from tests.bench.results import Bench, Figure, check
from tests.bench.rig import VENDOR, Rig, fresh_rig, read_log
from tests.bench.worker import until_counted

SUSTAINED, FRESHNESS = "end to end", "freshness"
EVENTS = 1_000_000
BATCH, CONNECTIONS = 500, 16
FRESHNESS_SECONDS = 20.0
PROBERS = 4
COUNTED = "select sum(counted) from metering.counting_statistic where vendor_id = :vendor"
PROBE_SECONDS_MAX = 60.0
PROBE_PAUSE_SECONDS = 0.01


async def measure(bench: Bench) -> None:
    """Send through HTTP while the worker counts, until everything can be asked for."""
    speeds, cores = [], []
    waits: list[list[float]] = []
    limit = 0.0
    for _ in range(bench.repeats):
        bench.report("end to end, sustained")
        async with (
            fresh_rig(bench.address, bench.folder) as rig,
            rig.worker(),
            rig.api() as (_, port),
        ):
            speed, cpu, limit = await _sustain(bench, rig, port)
            speeds.append(speed)
            cores.append(cpu)
            bench.report("freshness at half of it")
            waits.append(sorted(await _freshness(bench, rig, port, speed / 2)))
    bench.add(
        Figure(
            SUSTAINED,
            "HTTP to queryable",
            "events/s",
            speeds,
            limit=limit,
            extra={"cpu_us_per_event": min(cores), "limit_is": "a producer of the same records"},
        )
    )
    for name, percent in (("p50", 50), ("p99", 99)):
        values = [one[len(one) * percent // 100] * 1000 for one in waits]
        probes = {"probes": sum(map(len, waits)), "load_events_per_s": min(speeds) / 2}
        bench.add(Figure(FRESHNESS, name, "ms", values, better="less", extra=probes))


async def _sustain(bench: Bench, rig: Rig, port: int) -> tuple[float, float, float]:
    """Return events/s, CPU microseconds of the whole machine per event, and the limit."""
    count = bench.scaled(EVENTS)
    loading = await rig.load(Load("127.0.0.1", port, rig.key, count, BATCH, CONNECTIONS))
    begin = await rig.ends()
    busy, began = _busy_seconds(), time.perf_counter()
    sent = await loading.go()
    check((count, 0), (sent.accepted, sent.refused), "acknowledged and refused events")
    end = await rig.ends()
    await until_counted(rig, end)
    seconds = time.perf_counter() - began
    busy = _busy_seconds() - busy
    counted = await rig.query(COUNTED, vendor=VENDOR)
    check(count, int(counted[0][0]), "counted events")
    records = await read_log(bench.address.kafka_bootstrap, begin, end)
    # Into the same log, where the worker finds nothing but what it has seen.
    limit = count / await produce(bench.address.kafka_bootstrap, records)
    await until_counted(rig, await rig.ends())
    counted = await rig.query(COUNTED, vendor=VENDOR)
    check(count, int(counted[0][0]), "counted events after all were sent again")
    return count / seconds, busy / count * 1e6, limit


def _busy_seconds() -> float:
    times: Any = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


async def _freshness(bench: Bench, rig: Rig, port: int, rate: float) -> list[float]:
    """Return seconds from acknowledgement to visible, of single events under a steady load."""
    count = max(int(rate * FRESHNESS_SECONDS * min(bench.scale, 1.0)) // BATCH, 20) * BATCH
    # A connection that is idle for some seconds is closed by the server.
    connections = min(max(int(rate / BATCH), 1), CONNECTIONS)
    load = Load("127.0.0.1", port, rig.key, count, BATCH, connections, events_per_second=rate)
    load.seed = 2
    loading = await rig.load(load)
    sending = asyncio.create_task(loading.go())
    headers = {"authorization": f"Bearer {rig.key}"}
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30.0) as client:
        probers = [_probe(client, f"probe-{number}", sending) for number in range(PROBERS)]
        waits = [wait for one in await asyncio.gather(*probers) for wait in one]
    sent = await sending
    check((count, 0), (sent.accepted, sent.refused), "acknowledged and refused events")
    return waits


async def _probe(client: httpx.AsyncClient, agent: str, sending: asyncio.Task[Any]) -> list[float]:
    waits: list[float] = []
    while not sending.done() or not waits:
        agent_of_probe = f"{agent}-{len(waits)}"
        answer = await client.post("/v1/events", json=_event(agent_of_probe))
        answer.raise_for_status()
        began = time.perf_counter()
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            while not await _visible(client, agent_of_probe):  # noqa: ASYNC110 - it polls
                await asyncio.sleep(PROBE_PAUSE_SECONDS)
        waits.append(time.perf_counter() - began)
    return waits


async def _visible(client: httpx.AsyncClient, agent: str) -> bool:
    answer = await client.get("/v1/usage", params={"tenant": "tenant-0", "group_by": "agent"})
    answer.raise_for_status()
    return any(row["agent"] == agent for row in answer.json()["rows"])


def _event(agent: str) -> dict[str, Any]:
    return {
        "event_id": str(uuid_utils.uuid7()),
        "tenant": "tenant-0",
        "agent": agent,
        "model": "gpt-5",
        "provider": VENDOR,
        "occurred_at": datetime.now(UTC).isoformat(),
        "tokens": {"output_text": 1},
    }
