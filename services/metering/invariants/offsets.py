"""Rules of offsets and seals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby, pairwise
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.invariants.rule import OF_SCOPE, Finding, Scope, read

DAY = timedelta(days=1)
_OFFSETS = "select partition, next_offset from metering.consumer_offset order by partition"
_BEYOND = """
select 'identity' as what, p.partition, p."offset" from metering.plain_identity p
    join metering.consumer_offset o using (partition) where p."offset" >= o.next_offset
union all
select 'segment', s.partition, s."offset" from metering.identity_segment s
    join metering.consumer_offset o using (partition) where s."offset" >= o.next_offset
union all
select 'correction', c.partition, c."offset" from metering.correction c
    join metering.consumer_offset o using (partition) where c."offset" >= o.next_offset
union all
select 'rejected', r.partition, r."offset" from metering.rejected r
    join metering.consumer_offset o using (partition) where r."offset" >= o.next_offset
order by 1, 2, 3
"""
_SEALS = f"""
select s.vendor_id, s.mode, s.day, s.offsets, v.sealed_through
from metering.seal s left join metering.vendor_seal v using (vendor_id, mode)
where {OF_SCOPE} order by s.vendor_id, s.mode, s.day
"""  # noqa: S608 - our own text


@dataclass(frozen=True)
class OffsetsInLog:
    """No partition is counted beyond the end of the log; `ends` are read after the snapshot."""

    ends: Mapping[int, int]
    name: str = "offsets are inside the log"

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding:
        rows = await read(connection, _OFFSETS, scope)
        return Finding(
            len(rows),
            [
                f"partition {row.partition}: counted {row.next_offset}, "
                f"the log ends at {self.ends.get(row.partition, 0)}"
                for row in rows
                if row.next_offset > self.ends.get(row.partition, 0)
            ],
        )


@dataclass(frozen=True)
class NothingAhead:
    """Nothing was written for an event that the offsets do not cover: both move together."""

    name: str = "nothing lies ahead of its offset"

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding:
        offsets = await read(connection, _OFFSETS, scope)
        ahead = await read(connection, _BEYOND, scope)
        return Finding(
            len(offsets), [f"{what} at {partition}/{offset}" for what, partition, offset in ahead]
        )


@dataclass(frozen=True)
class SealsContiguous:
    """An account's sealed days have no gap, and end at its `sealed_through`."""

    name: str = "seals are contiguous"

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding:
        rows = await read(connection, _SEALS, scope)
        offending = []
        for account, own in groupby(rows, key=lambda row: (row.vendor_id, row.mode)):
            seals = list(own)
            offending += [
                f"{_shown(account)}: nothing between {a.day} and {b.day}"
                for a, b in pairwise(seals)
                if b.day - a.day != DAY
            ]
            if seals[-1].day != seals[-1].sealed_through:
                through = seals[-1].sealed_through
                offending.append(f"{_shown(account)}: sealed {seals[-1].day}, through {through}")
        return Finding(len(rows), offending)


@dataclass(frozen=True)
class SealVectors:
    """The offsets of a seal are counted, and never below those of the day before."""

    name: str = "seals lie at counted offsets"

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding:
        counted = {str(p): offset for p, offset in await read(connection, _OFFSETS, scope)}
        rows = await read(connection, _SEALS, scope)
        offending = [f"{_day(row)}: {row.offsets}" for row in rows if _above(row.offsets, counted)]
        offending += [
            f"{_day(b)}: {b.offsets} after {a.offsets}"
            for a, b in pairwise(rows)
            if (a.vendor_id, a.mode) == (b.vendor_id, b.mode) and _above(a.offsets, b.offsets)
        ]
        return Finding(len(rows), offending)


def _above(low: Mapping[str, int], high: Mapping[str, int]) -> bool:
    return any(offset > high.get(partition, 0) for partition, offset in low.items())


def _shown(account: tuple[str, str]) -> str:
    return "/".join(account)


def _day(row: Any) -> str:
    return f"{row.vendor_id}/{row.mode}/{row.day}"
