"""Which worker counts which partitions: leases in Postgres, by the database's clock.

A lease decides who reads, never what is counted: that is decided by the compare-and-set of the
offsets. A worker that acts on a lease that it has lost is fenced, so nothing here must be exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import lock_transaction
from shared.topics import Topic


@dataclass(frozen=True)
class Member:
    """A worker that takes part in counting a topic; unheard of for `lease_seconds`, it is gone."""

    topic: Topic
    worker_id: str
    lease_seconds: float

    def values(self) -> dict[str, object]:
        return {
            "topic": self.topic.name,
            "worker": self.worker_id,
            "seconds": self.lease_seconds,
        }


_JOIN = """
insert into metering.live_worker (topic, worker_id, expires_at)
values (:topic, :worker, clock_timestamp() + make_interval(secs => :seconds))
on conflict (topic, worker_id) do update set expires_at = excluded.expires_at
"""
_BURY = """
delete from metering.live_worker
where topic = :topic and expires_at < clock_timestamp() and worker_id <> :worker
"""
_PROVIDE = """
insert into metering.partition_lease (topic, partition, owner, expires_at)
select topic, partition, '', clock_timestamp() from metering.consumer_offset where topic = :topic
on conflict do nothing
"""
_WORKERS = "select worker_id from metering.live_worker where topic = :topic order by worker_id"
_LEASES = """
select partition, owner, expires_at < clock_timestamp() as expired
from metering.partition_lease where topic = :topic order by partition
"""
_TAKE = """
update metering.partition_lease
set owner = :worker, expires_at = clock_timestamp() + make_interval(secs => :seconds)
where topic = :topic and partition = any(:partitions)
"""
_RELEASE = """
update metering.partition_lease set owner = '', expires_at = clock_timestamp()
where topic = :topic and owner = :worker and not partition = any(:kept)
"""
_RENEW = """
update metering.partition_lease
set expires_at = clock_timestamp() + make_interval(secs => :seconds)
where topic = :topic and owner = :worker
"""
_LEAVE = "delete from metering.live_worker where topic = :topic and worker_id = :worker"


async def balance(connection: AsyncConnection, member: Member) -> frozenset[int]:
    """Renew, hand over what is more than a fair share, take what is free of it.

    Returns the partitions that the worker holds from now on. Call it between two flushes: what is
    missing in the answer belongs to others once the transaction commits.
    """
    await lock_transaction(connection, "leases", member.topic.name)
    values = member.values()
    await connection.execute(text(_BURY), values)
    await connection.execute(text(_JOIN), values)
    await connection.execute(text(_PROVIDE), values)
    workers = (await connection.execute(text(_WORKERS), values)).scalars().all()
    rows = (await connection.execute(text(_LEASES), values)).mappings().all()
    share = fair_share(len(rows), workers.index(member.worker_id), len(workers))
    held = choose(_owners(rows, member.worker_id), member.worker_id, share)
    await connection.execute(text(_RELEASE), {**values, "kept": sorted(held)})
    await connection.execute(text(_TAKE), {**values, "partitions": sorted(held)})
    return held


def _owners(rows: Sequence[RowMapping], worker_id: str) -> dict[int, str]:
    """Return each partition's owner; nobody's when it has run out and is not our own."""
    return {
        row["partition"]: "" if row["expired"] and row["owner"] != worker_id else row["owner"]
        for row in rows
    }


async def renew(connection: AsyncConnection, member: Member) -> None:
    """Keep what is held; a flush may last longer than a lease."""
    await lock_transaction(connection, "leases", member.topic.name)
    await connection.execute(text(_JOIN), member.values())
    await connection.execute(text(_RENEW), member.values())


async def leave(connection: AsyncConnection, member: Member) -> None:
    """Give everything back at once; the others need not wait for it to run out."""
    await lock_transaction(connection, "leases", member.topic.name)
    await connection.execute(text(_RELEASE), {**member.values(), "kept": []})
    await connection.execute(text(_LEAVE), member.values())


def fair_share(partitions: int, rank: int, workers: int) -> int:
    """Return how many partitions the worker of this rank (from 0) counts; all shares add up."""
    return partitions // workers + (rank < partitions % workers)


def choose(owners: Mapping[int, str], worker_id: str, share: int) -> frozenset[int]:
    """Return what a worker holds next: its own first, then free ones, lowest first."""
    own = sorted(partition for partition, owner in owners.items() if owner == worker_id)
    free = sorted(partition for partition, owner in owners.items() if not owner)
    return frozenset((own + free)[:share])
