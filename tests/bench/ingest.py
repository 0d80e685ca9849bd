"""(a) HTTP ingest: events per second that the broker has acknowledged."""

from tests.bench import plain
from tests.bench.load import Load, Sent
from tests.bench.log import Records, distinct_ids, produce
from tests.bench.results import Bench, Figure, check
from tests.bench.rig import Rig, fresh_rig, read_log

PART = "ingest"
LOADS = ((1, 32, 20_000), (10, 16, 100_000), (100, 16, 400_000), (500, 16, 600_000))
"""Events per request, connections, events."""
PLAIN_EVENTS = 5_000


async def measure(bench: Bench) -> None:
    """Send each load as often as wanted; the log must hold every acknowledged event."""
    async with fresh_rig(bench.address, bench.folder) as rig, rig.api() as (api, port):
        await _send(rig, Load("127.0.0.1", port, rig.key, 2_000, 100, 4))
        for batch, connections, events in LOADS:
            bench.report(f"ingest, batch {batch}")
            load = Load("127.0.0.1", port, rig.key, bench.scaled(events), batch, connections)
            sent, cpu = [], api.cpu_seconds()
            records: Records = []
            for _ in range(bench.repeats):
                one, records = await _send(rig, load)
                sent.append(one)
            cpu = (api.cpu_seconds() - cpu) / load.events / bench.repeats
            seconds = await produce(bench.address.kafka_bootstrap, records)
            bench.add(
                Figure(
                    PART,
                    f"batch {batch} x {connections}",
                    "events/s",
                    [one.accepted / one.seconds for one in sent],
                    limit=load.events / seconds,
                    plain=await _plain(bench, rig, batch, connections),
                    extra={
                        "p50_ms": min(one.p50 for one in sent),
                        "p99_ms": max(one.p99 for one in sent),
                        "api_cpu_us_per_event": cpu * 1e6,
                        "limit_is": "a producer of the same records",
                    },
                )
            )


async def _send(rig: Rig, load: Load) -> tuple[Sent, Records]:
    begin = await rig.ends()
    sent = await (await rig.load(load)).go()
    records = await read_log(rig.address.kafka_bootstrap, begin, await rig.ends())
    check((load.events, 0), (sent.accepted, sent.refused), "acknowledged and refused events")
    check(load.events, distinct_ids(records), "different ids in the log")
    return sent, records


async def _plain(bench: Bench, rig: Rig, batch: int, connections: int) -> float:
    topic = await plain.create_topic(bench.address.kafka_bootstrap)
    events = bench.scaled(PLAIN_EVENTS)
    async with plain.api(rig.with_settings(bench_topic=topic)) as port:
        load = Load("127.0.0.1", port, rig.key, events, min(batch, events), connections)
        sent = await (await rig.load(load)).go()
    check((events, 0), (sent.accepted, sent.refused), "events that the plain API took")
    return sent.accepted / sent.seconds
