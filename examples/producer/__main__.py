"""A trusted producer: writes token events to `usage.recorded` without the HTTP API.

    python -m examples.producer VENDOR TENANT [test|live]

It needs nothing of Tallyroll's code: the partition of an event, and the envelope, are all there is.
Read docs/reference/usage-recorded.md beside it.
"""

import asyncio
import json
import os
import sys
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from zlib import crc32

from aiokafka import AIOKafkaProducer

TOPIC = "usage.recorded"
HEADERS = [("content-type", b"application/json")]
EVENTS_PER_RECORD_MAX = 1_000

Event = dict[str, Any]


def partition_of(partitions: int, vendor_id: str, tenant: str, event_id: str) -> int:
    """Return where an event belongs: CRC-32 over the parts, each behind its length in bytes.

    A UUID is spelled in lower case. A correction goes where the event that it corrects went: pass
    the id that it corrects.
    """
    parts = [part.encode() for part in (vendor_id, tenant, event_id)]
    return crc32(b"".join(b"%d:%b" % (len(part), part) for part in parts)) % partitions


async def send(
    kafka_bootstrap: str, vendor_id: str, events: list[Event], *, mode: str = "test"
) -> int:
    """Write events, one record per partition; return how many records the broker acknowledged.

    After an error send the same events again, with their ids: each counts once.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka_bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        partitions = len(await producer.partitions_for(TOPIC))
        placed: defaultdict[int, list[Event]] = defaultdict(list)
        for event in events:
            placing = event.get("corrects") or event["event_id"]
            placed[partition_of(partitions, vendor_id, event["tenant"], placing)].append(event)
        pending = []
        for partition, own in placed.items():
            for start in range(0, len(own), EVENTS_PER_RECORD_MAX):
                part = own[start : start + EVENTS_PER_RECORD_MAX]
                record = {
                    "vendor_id": vendor_id,
                    "mode": mode,
                    "producer": "example",
                    "events": part,
                }
                value = json.dumps(record).encode()
                pending.append(
                    await producer.send(TOPIC, value, partition=partition, headers=HEADERS)
                )
        await asyncio.gather(*pending)
        return len(pending)
    finally:
        await producer.stop()


def example_events(tenant: str, count: int) -> list[Event]:
    """Return so many requests that happened just now."""
    return [
        {
            "event_id": str(uuid4()),
            "tenant": tenant,
            "agent": "coder",
            "provider": "openai",
            "model": "gpt-5",
            "occurred_at": datetime.now(UTC).isoformat(),
            "tokens": {"input_uncached": 1200, "output_text": 80},
        }
        for _ in range(count)
    ]


def main(arguments: list[str]) -> int:
    """Send ten events; return the exit code."""
    if len(arguments) not in (2, 3):
        print(__doc__)
        return 2
    vendor_id, tenant = arguments[:2]
    mode = arguments[2] if arguments[2:] else "test"
    bootstrap = os.environ["TALLYROLL_KAFKA_BOOTSTRAP"]
    records = asyncio.run(send(bootstrap, vendor_id, example_events(tenant, 10), mode=mode))
    print(f"10 events in {records} records are acknowledged")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
