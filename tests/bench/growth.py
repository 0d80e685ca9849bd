"""What an event costs the worker when many are counted already."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import numpy as np
import polars as pl

from services.metering.worker.identity import BUCKET_BITS, pack
from shared.topics import USAGE_RECORDED
from tests.bench.events import Shape
from tests.bench.log import preload
from tests.bench.results import Bench, Figure
from tests.bench.rig import Rig, fresh_rig
from tests.bench.worker import drain

PART = "growth"
COUNTED = (0, 1_000_000, 10_000_000, 50_000_000)
EVENTS = 300_000
IDS_PER_SEGMENT = 5_000
SEGMENTS_PER_COPY = 100
LAST_WEEK_MILLISECONDS = int((time.time() - 7 * 86_400) * 1000)
GRAPH = Path("docs/reference/growth.svg")
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 320, 70, 40, 50


async def measure(bench: Bench) -> None:
    """Count the same events on top of more and more ids; draw the cost."""
    medians = []
    for counted in (0, *map(bench.scaled, COUNTED[1:])):
        costs, speeds = [], []
        async with fresh_rig(bench.address, bench.folder) as rig:
            await fill_ids(bench, rig, counted)
            for _ in range(bench.repeats):
                bench.report(f"growth: counting on top of {counted:,} ids")
                log = await preload(bench.address.kafka_bootstrap, bench.scaled(EVENTS), Shape())
                drained = await drain(rig, log)
                costs.append(drained.cpu_seconds / log.events * 1e6)
                speeds.append(log.events / drained.seconds)
                await _forget(rig)
        extra = {"events_per_s": max(speeds), "ids": counted}
        figure = Figure(
            PART, f"{counted:,} ids", "us/event", [1e6 / s for s in speeds], "less", extra=extra
        )
        extra["worker_cpu_us_per_event"] = min(costs)
        bench.add(figure)
        medians.append((counted, figure.median))
    await asyncio.to_thread(GRAPH.write_text, draw(medians), encoding="utf-8")


async def fill_ids(bench: Bench, rig: Rig, count: int) -> None:
    """Put `count` time-ordered ids of last week into the store that the worker looks them up in."""
    chance, size = np.random.default_rng(1), min(IDS_PER_SEGMENT, max(count, 1))
    connection = await asyncpg.connect(rig.urls.urls["metering"])
    try:
        for first in range(0, count // size, SEGMENTS_PER_COPY):
            bench.report(f"growth: {first * size:,} of {count:,} ids")
            last = min(first + SEGMENTS_PER_COPY, count // size)
            await connection.copy_records_to_table(
                "identity_segment",
                schema_name="metering",
                records=[_segment(number, size, chance) for number in range(first, last)],
                columns=["partition", "bucket", "offset", "entries"],
            )
        await connection.execute("vacuum analyze metering.identity_segment")
    finally:
        await connection.close()


def _segment(number: int, size: int, chance: np.random.Generator) -> tuple[int, int, int, bytes]:
    bucket = (LAST_WEEK_MILLISECONDS >> BUCKET_BITS) + number
    high = (np.uint64(bucket) << np.uint64(16 + BUCKET_BITS)) + np.arange(size, dtype=np.uint64)
    entries = pl.DataFrame(
        {
            "id_high": high,
            "id_low": chance.integers(2**63, size=size, dtype=np.uint64),
            "tenant_number": chance.integers(1, 50, size=size),
            "digest": chance.integers(2**63, size=size, dtype=np.uint64),
            "revision": 0,
            "offset": 0,
            "index": np.arange(size),
            "usage_day": 20_000,
            "booked_day": 20_000,
            "state": 0,
        }
    )
    return number % USAGE_RECORDED.partitions, bucket, 0, pack(entries)


async def _forget(rig: Rig) -> None:
    """Empty what the totals are checked against, so that each repetition is checked alone."""
    await rig.query("truncate metering.counting_statistic, metering.rollup, metering.user_rollup")


def draw(points: Sequence[tuple[int, float]]) -> str:
    """Return a graph of microseconds per event over the ids that are stored."""
    highest = max(cost for _, cost in points) * 1.25
    step = (WIDTH - LEFT - 40) / max(len(points) - 1, 1)
    floor = HEIGHT - BOTTOM
    places = [
        (LEFT + step * index, floor - cost / highest * (floor - TOP), count, cost)
        for index, (count, cost) in enumerate(points)
    ]
    line = " ".join(f"{x:.0f},{y:.0f}" for x, y, *_ in places)
    marks = "".join(
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="#2563eb"/>'
        f'<text x="{x:.0f}" y="{y - 10:.0f}" text-anchor="middle">{cost:.1f}</text>'
        f'<text x="{x:.0f}" y="{floor + 20}" text-anchor="middle">{count / 1e6:g} M</text>'
        for x, y, count, cost in places
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12" fill="#475569">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<text x="{LEFT}" y="20">Worker: microseconds per event, by ids counted before</text>'
        f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - 20}" fill="none" stroke="#94a3b8"/>'
        f'<polyline points="{line}" fill="none" stroke="#2563eb" stroke-width="2"/>{marks}</svg>\n'
    )
