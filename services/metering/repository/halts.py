"""Where counting stopped because too much would be rejected, and what a person accepted."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.tables import rejection_halt
from services.metering.worker.reading import Rejection
from shared.topics import Topic


async def insert_halts(
    connection: AsyncConnection, topic: Topic, firsts: Mapping[int, Rejection]
) -> None:
    """Store that partitions are not counted from here on until a person accepts it."""
    rows = [
        {
            "topic": topic.name,
            "partition": partition,
            "offset": rejection.offset,
            "code": rejection.code,
            "message": rejection.message,
        }
        for partition, rejection in sorted(firsts.items())
    ]
    await connection.execute(insert(rejection_halt).on_conflict_do_nothing(), rows)


async def read_open_halts(connection: AsyncConnection, topic: Topic) -> Sequence[RowMapping]:
    """Return the halts that nobody has accepted, in the order of the partitions."""
    query = select(rejection_halt).where(
        rejection_halt.c.topic == topic.name, rejection_halt.c.accepted_below.is_(None)
    )
    rows = await connection.execute(query.order_by(rejection_halt.c.partition))
    return rows.mappings().all()


async def read_accepted(connection: AsyncConnection, topic: Topic) -> dict[int, int]:
    """Return for each partition the offset below which rejections were accepted."""
    query = (
        select(rejection_halt.c.partition, func.max(rejection_halt.c.accepted_below))
        .where(rejection_halt.c.topic == topic.name, rejection_halt.c.accepted_below.is_not(None))
        .group_by(rejection_halt.c.partition)
    )
    rows = await connection.execute(query)
    return {partition: below for partition, below in rows if below is not None}


async def accept_halt(
    connection: AsyncConnection,
    halt: RowMapping,
    *,
    below: int,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Let the workers reject what lies below an offset of the halt's partition."""
    columns = rejection_halt.c
    await connection.execute(
        update(rejection_halt)
        .where(
            columns.topic == halt["topic"],
            columns.partition == halt["partition"],
            columns.offset == halt["offset"],
        )
        .values(accepted_below=below, accepted_at=now, actor=actor, reason=reason)
    )
