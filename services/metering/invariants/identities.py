"""Rules of identities: each id once, as many as were counted, none of them also rejected."""

from collections import Counter
from dataclasses import dataclass

import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.invariants.rule import OF_SCOPE, Finding, Scope, read
from services.metering.repository.invariants import stream_identities
from services.metering.worker.identity import COUNTED
from services.metering.worker.reading import POSITION

_NUMBERS = f"select number, vendor_id, mode, tenant_id from metering.tenant_number where {OF_SCOPE}"  # noqa: S608 - our own text
_STATISTICS = (
    "select vendor_id, mode, partition, counted from metering.counting_statistic "  # noqa: S608 - our own text
    f"where {OF_SCOPE}"
)
_REJECTED = (
    'select partition, "offset", index from metering.rejected '  # noqa: S608 - our own text
    f"where {OF_SCOPE}"
)


async def _tenants(connection: AsyncConnection, scope: Scope) -> dict[int, tuple[str, str, str]]:
    rows = await read(connection, _NUMBERS, scope)
    return {row.number: (row.vendor_id, row.mode, row.tenant_id) for row in rows}


@dataclass(frozen=True)
class CountedAreIdentities:
    """As many events were counted as there are identities, per account and partition."""

    name: str = "counted events = identities"

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding:
        tenants = await _tenants(connection, scope)
        found: Counter[tuple[str, str, int]] = Counter()
        rows = 0
        async for frame in stream_identities(connection):
            rows += frame.height
            counts = frame.filter(pl.col("state") == COUNTED).group_by("tenant_number", "partition")
            for number, partition, many in counts.len().iter_rows():
                if number in tenants:
                    found[*tenants[number][:2], partition] += many
        counted = Counter(
            {
                (row.vendor_id, row.mode, row.partition): row.counted
                for row in await read(connection, _STATISTICS, scope)
            }
        )
        return Finding(
            rows,
            [
                f"{vendor}/{mode}/partition {partition}: counted {counted[key]}, "
                f"identities {found[key]}"
                for key in sorted(counted.keys() | found.keys())
                if counted[key] != found[key]
                for vendor, mode, partition in [key]
            ],
        )


@dataclass(frozen=True)
class IdentitiesOnce:
    """No (tenant, id) is stored twice; segments have no unique key that would see to it."""

    name: str = "each id has one identity"

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding:
        tenants = await _tenants(connection, scope)
        rows, offending = 0, []
        async for frame in stream_identities(connection):
            rows += frame.height
            twice = frame.group_by("tenant_number", "id").agg("partition", "offset", "index")
            for row in twice.filter(pl.col("offset").list.len() > 1).iter_rows(named=True):
                if row["tenant_number"] in tenants:
                    places = zip(*(row[name] for name in POSITION), strict=True)
                    where = ", ".join("/".join(map(str, place)) for place in places)
                    offending.append(f"{'/'.join(tenants[row['tenant_number']])}: at {where}")
        return Finding(rows, offending)


@dataclass(frozen=True)
class CountedOrRejected:
    """No event, by its place in the log, is both counted and rejected."""

    name: str = "nothing is counted and rejected"

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding:
        places = await read(connection, _REJECTED, scope)
        rejected = pl.DataFrame(
            [tuple(row) for row in places],
            schema=dict.fromkeys(POSITION, pl.Int64),
            orient="row",
        )
        offending: list[str] = []
        if places:
            async for frame in stream_identities(connection):
                both = frame.join(rejected, on=POSITION, how="semi").select(POSITION)
                offending += ["/".join(map(str, row)) for row in both.iter_rows()]
        return Finding(len(places), offending)
