"""How far `usage.recorded` is counted: offsets that move by compare-and-set only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, DateTime, Integer

from services.metering.tables import consumer_offset
from shared.database import lock_transaction
from shared.topics import Topic

NOTHING_COUNTED = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Progress:
    """One partition: offsets below `next_offset` are counted."""

    next_offset: int
    counted_through: datetime


@dataclass(frozen=True)
class Move:
    """One partition's step from the offset that we expect to the next, true at an instant."""

    expected: int
    new: int
    counted_through: datetime


class FencedError(Exception):
    """Another worker has moved an offset: this one is stale and must end."""


async def provision(connection: AsyncConnection, topic: Topic) -> int:
    """Create the topic's offsets once, and return how many partitions it is counted with.

    The stored number is the truth for placing events; it does not follow the topic.
    """
    await lock_transaction(connection, "provision", topic.name)
    known = await read_progress(connection, topic)
    if known:
        return len(known)
    rows = [
        {
            "topic": topic.name,
            "partition": partition,
            "next_offset": 0,
            "counted_through": NOTHING_COUNTED,
        }
        for partition in range(topic.partitions)
    ]
    await connection.execute(insert(consumer_offset), rows)
    return len(rows)


async def read_progress(connection: AsyncConnection, topic: Topic) -> dict[int, Progress]:
    """Return each partition's progress."""
    query = select(consumer_offset).where(consumer_offset.c.topic == topic.name)
    rows = await connection.execute(query.order_by(consumer_offset.c.partition))
    return {row.partition: Progress(row.next_offset, row.counted_through) for row in rows}


async def read_watermark(connection: AsyncConnection, topic: Topic) -> datetime:
    """Return the instant before which everything that the broker took is counted."""
    progress = await read_progress(connection, topic)
    return min((p.counted_through for p in progress.values()), default=NOTHING_COUNTED)


_MOVE = text(
    """
    with moves (partition, expected, new, counted_through) as (
        select * from unnest(:partitions, :expected, :new, :counted_through)
    )
    update metering.consumer_offset o
    set next_offset = m.new, counted_through = greatest(o.counted_through, m.counted_through)
    from moves m
    where o.topic = :topic and o.partition = m.partition and o.next_offset = m.expected
    returning o.partition
    """
).bindparams(
    bindparam("partitions", type_=ARRAY(Integer)),
    bindparam("expected", type_=ARRAY(BigInteger)),
    bindparam("new", type_=ARRAY(BigInteger)),
    bindparam("counted_through", type_=ARRAY(DateTime(timezone=True))),
)


async def move_offsets(
    connection: AsyncConnection, topic: Topic, moves: Mapping[int, Move]
) -> None:
    """Move the partitions' offsets in one statement; raises `FencedError` unless all moved."""
    order = sorted(moves)
    result = await connection.execute(
        _MOVE,
        {
            "topic": topic.name,
            "partitions": order,
            "expected": [moves[p].expected for p in order],
            "new": [moves[p].new for p in order],
            "counted_through": [moves[p].counted_through for p in order],
        },
    )
    moved = {row.partition for row in result}
    if len(moved) < len(order):
        raise FencedError(f"partitions {sorted(set(order) - moved)} were moved by another worker")
