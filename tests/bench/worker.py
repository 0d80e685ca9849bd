"""(b) The worker, Kafka to Postgres: each event once, whatever was sent twice."""

import asyncio
import io
import time
from dataclasses import dataclass

import asyncpg
import msgspec
import numpy as np
from faststream.kafka import KafkaBroker
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import asyncpg_url
from tests.bench import plain
from tests.bench.events import Shape, make_events
from tests.bench.log import Preloaded, preload, read_and_decode
from tests.bench.results import Bench, Figure, check
from tests.bench.rig import VENDOR, Rig, fresh_rig

PART = "worker"
EVENTS = 1_000_000
SHAPES = {
    "5,000 keys": Shape(5_000),
    "5,000 keys, response_id": Shape(5_000, responses=True),
    "500,000 keys": Shape(500_000),
    "500,000 keys, response_id": Shape(500_000, responses=True),
}
PLAIN_EVENTS = 2_000
POLL_SECONDS = 0.05
DRAIN_SECONDS_MAX = 1_800.0


@dataclass(frozen=True)
class Drained:
    """One run of the worker from start to the end of the log."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


async def measure(bench: Bench) -> None:
    """Have the worker count a log of each shape; the database must have its exact totals."""
    plain_speed = await _plain(bench)
    for name, shape in SHAPES.items():
        bench.report(f"worker, {name}: writing the log")
        log = await preload(bench.address.kafka_bootstrap, bench.scaled(EVENTS), shape)
        drained = []
        for _ in range(bench.repeats):
            bench.report(f"worker, {name}")
            async with fresh_rig(bench.address, bench.folder) as rig:
                drained.append(await drain(rig, log))
        decode = log.events / await read_and_decode(bench.address.kafka_bootstrap, log)
        copy = await _bare_copy(bench, log.events)
        bench.add(
            Figure(
                PART,
                name,
                "events/s",
                [log.events / one.seconds for one in drained],
                limit=min(decode, copy),
                plain=plain_speed,
                extra={
                    "cpu_us_per_event": min(d.cpu_seconds for d in drained) / log.events * 1e6,
                    "limit_is": "the slower of reading and decoding, and COPY of as many ids",
                    "decode_events_per_s": decode,
                    "copy_rows_per_s": copy,
                },
            )
        )
        memory = [one.peak_bytes / 2**20 for one in drained]
        bench.add(Figure(PART, f"memory, {name}", "MiB", memory, better="less"))


async def drain(rig: Rig, log: Preloaded) -> Drained:
    """Run the worker until it has counted [begin, end) and check every total."""
    await rig.read_from(log.begin)
    async with rig.worker() as worker:
        began, cpu = time.perf_counter(), worker.cpu_seconds()
        await until_counted(rig, log.end)
        seconds, cpu = time.perf_counter() - began, worker.cpu_seconds() - cpu
        peak = worker.peak_bytes
    await check_totals(rig, log)
    return Drained(seconds, cpu, peak)


async def until_counted(rig: Rig, end: dict[int, int]) -> None:
    """Return when Postgres has the offsets `end`."""
    connection = await asyncpg.connect(rig.urls.urls["metering"])
    try:
        async with asyncio.timeout(DRAIN_SECONDS_MAX):
            while True:
                rows = await connection.fetch(
                    "select partition, next_offset from metering.consumer_offset"
                )
                if all(row["next_offset"] >= end[row["partition"]] for row in rows):
                    return
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()


async def check_totals(rig: Rig, log: Preloaded) -> None:
    """Compare events, duplicates, sums per kind and the number of rows with what was written."""
    counts = await rig.query(
        "select sum(counted), sum(duplicates), sum(rejected) from metering.counting_statistic"
        " where vendor_id = :vendor",
        vendor=VENDOR,
    )
    check((log.events, log.resent, 0), tuple(map(int, counts[0])), "counted, doubled, rejected")
    sums = await rig.query(
        "select kind, sum(quantity) from metering.rollup where vendor_id = :vendor group by kind",
        vendor=VENDOR,
    )
    check(log.quantities, {kind: int(quantity) for kind, quantity in sums}, "quantities")
    keys = await rig.query(
        "select count(distinct (tenant_id, agent, model, kind)) from metering.rollup"
        " where vendor_id = :vendor",
        vendor=VENDOR,
    )
    check(log.keys, keys[0][0], "rollup keys")


async def _bare_copy(bench: Bench, count: int) -> float:
    """Return rows per second of a binary COPY of an id, a fingerprint and a number per event."""
    kind = [("n", ">i2"), ("l1", ">i4"), ("id", "V16"), ("l2", ">i4"), ("print", "V16")]
    rows = np.zeros(count, dtype=[*kind, ("l3", ">i4"), ("tenant", ">i4")])
    rows["n"], rows["l1"], rows["l2"], rows["l3"] = 3, 16, 16, 4
    source = b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"
    connection = await asyncpg.connect(bench.address.admin_database_url)
    try:
        await connection.execute("drop table if exists bench_copy")
        await connection.execute("create table bench_copy (id bytea, print bytea, tenant int)")
        began = time.perf_counter()
        await connection.copy_to_table("bench_copy", source=io.BytesIO(source), format="binary")
        seconds = time.perf_counter() - began
        check(count, await connection.fetchval("select count(*) from bench_copy"), "copied rows")
        await connection.execute("drop table bench_copy")
    finally:
        await connection.close()
    return count / seconds


async def _plain(bench: Bench) -> float:
    bench.report("worker, the plain way")
    bootstrap, count = bench.address.kafka_bootstrap, bench.scaled(PLAIN_EVENTS)
    topic = await plain.create_topic(bootstrap)
    async with fresh_rig(bench.address, bench.folder) as rig:
        engine = create_async_engine(asyncpg_url(rig.urls.urls["metering"]))
        async with engine.begin() as connection:
            await connection.run_sync(plain.metadata.create_all)
        await engine.dispose()
        async with KafkaBroker(bootstrap, logger=None) as broker:
            await broker.start()
            for event in make_events(count, Shape(5_000)):
                key = event["event_id"].encode()
                await broker.publish(msgspec.json.encode(event), topic, key=key)
        async with plain.worker(rig.with_settings(bench_topic=topic)):
            first, began = await _plain_counted(rig), time.perf_counter()
            while (found := await _plain_counted(rig)) < count:  # noqa: ASYNC110 - it polls
                await asyncio.sleep(POLL_SECONDS)
            seconds = time.perf_counter() - began
    check(count, found, "events that the plain worker counted")
    return (count - first) / seconds


async def _plain_counted(rig: Rig) -> int:
    return int((await rig.query("select count(*) from metering.plain_event"))[0][0])
