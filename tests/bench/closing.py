"""Closing a month: from the seal of its last day to every statement on Kafka, with memory."""

import asyncio
import time
from decimal import Decimal

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.broker import create_producer
from shared.events.usage_aggregated import ROWS_PER_MESSAGE, DaySealed, TenantDay
from shared.ids import length_prefixed, partition_of
from shared.money import parse_exact
from shared.outbox import Outgoing
from shared.topics import RECORD_BYTES_MAX, STATEMENT_RATED, USAGE_AGGREGATED
from tests.bench.pricing_data import LAST_DAY, ROWS, expected_total
from tests.bench.pricing_rig import PricingRig, pricing_rig, sums_of_last_day
from tests.bench.results import Bench, Figure, check
from tests.bench.rig import VENDOR

PART = "closing"
TENANTS = 10_000
ROWS_OF_A_DAY = ROWS // 10
SECONDS_MAX = 900.0


class Rated(msgspec.Struct):
    """What is read of a statement."""

    tenant_id: str
    total_exact: str


async def measure(bench: Bench) -> None:
    """Close the month of all tenants, each time in a fresh database; every total is checked."""
    tenants = bench.scaled(TENANTS)
    seconds, peaks = [], []
    for _ in range(bench.repeats):
        async with pricing_rig(bench, tenants) as rig:
            seals = await _seals(rig)
            bench.report(f"closing: {tenants:,} tenants")
            async with rig.running() as (process, _):
                seconds.append(await close_month(rig, seals))
                peaks.append(process.peak_bytes / 2**20)
    extra = {"tenants": tenants, "rows_of_a_tenant": ROWS}
    bench.add(Figure(PART, "seconds", "s", seconds, better="less", extra=extra))
    bench.add(Figure(PART, "memory", "MiB", peaks, better="less", extra=extra))


async def _seals(rig: PricingRig) -> list[tuple[int, DaySealed]]:
    """Return the seal of the last day as metering's publisher sends it: by partition, in parts."""
    sums = await sums_of_last_day(rig)
    days: dict[int, list[TenantDay]] = {p: [] for p in range(USAGE_AGGREGATED.partitions)}
    for tenant in sorted(sums):
        partition = partition_of(USAGE_AGGREGATED.partitions, VENDOR, tenant)
        kinds = {kind: Decimal(total) for kind, total in sums[tenant].items()}
        day = TenantDay(tenant_id=tenant, rows=ROWS_OF_A_DAY, sums=kinds)
        days[partition].append(day)
    return [(partition, sealed) for partition, own in days.items() for sealed in _parts(own)]


def _parts(tenants: list[TenantDay]) -> list[DaySealed]:
    size = ROWS_PER_MESSAGE
    chunks = [tenants[first : first + size] for first in range(0, len(tenants), size)] or [[]]
    return [
        DaySealed(
            vendor_id=VENDOR,
            mode="live",
            day=LAST_DAY,
            first_day=LAST_DAY,
            version=1,
            part=number,
            parts=len(chunks),
            recount="agreed",
            offsets={},
            tenants=chunk,
        )
        for number, chunk in enumerate(chunks, start=1)
    ]


async def close_month(rig: PricingRig, seals: list[tuple[int, DaySealed]]) -> float:
    """Send the seals; return the seconds until the last statement is read from Kafka."""
    bootstrap = rig.rig.address.kafka_bootstrap
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, max_partition_fetch_bytes=RECORD_BYTES_MAX
    )
    await consumer.start()
    try:
        partitions = [
            TopicPartition(STATEMENT_RATED.name, p) for p in range(STATEMENT_RATED.partitions)
        ]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)  # seeking is lazy: from here on it has happened
        await _send(bootstrap, seals)
        began = time.perf_counter()
        totals, last = await _read(consumer, rig.tenants)
    finally:
        await consumer.stop()
    expected = {f"tenant-{n}": expected_total(n) for n in range(rig.tenants)}
    check(expected, {name: parse_exact(total) for name, total in totals.items()}, "statements")
    return last - began


async def _send(bootstrap: str, seals: list[tuple[int, DaySealed]]) -> None:
    async with create_producer(bootstrap) as producer:
        sent = []
        for partition, sealed in seals:
            row = Outgoing(sealed, partition).row()
            headers = row["headers"]
            assert isinstance(headers, dict)
            pairs = [(name, value.encode()) for name, value in headers.items()]
            sent.append(
                await producer.send(
                    USAGE_AGGREGATED.name,
                    row["payload"],
                    key=row["key"],
                    partition=partition,
                    headers=pairs,
                )
            )
        await asyncio.gather(*sent)


async def _read(consumer: AIOKafkaConsumer, count: int) -> tuple[dict[str, str], float]:
    totals: dict[str, str] = {}
    decoder = msgspec.json.Decoder(Rated)
    ours = length_prefixed(VENDOR)
    async with asyncio.timeout(SECONDS_MAX):
        while len(totals) < count:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    # Others write to the topic of a shared stack, some of it broken on purpose.
                    if not (record.key or b"").startswith(ours):
                        continue
                    rated = decoder.decode(record.value)
                    check(None, totals.get(rated.tenant_id), "a tenant's first statement")
                    totals[rated.tenant_id] = rated.total_exact
    return totals, time.perf_counter()
