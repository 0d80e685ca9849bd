"""What a check reads: identities of both kinds, never all at once, and sums of booked days."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from decimal import Decimal

import polars as pl
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Date, Text

from services.metering.worker.identity import unpack

PLAIN_ROWS = 50_000
COLUMNS = ("tenant_number", "id", "partition", "offset", "index", "state")
_SEGMENTS = text(
    "select partition, bucket, entries from metering.identity_segment order by partition, bucket"
)
_PLAIN = text(
    'select tenant_number, event_id, partition, "offset", index, state from metering.plain_identity'
)


async def stream_identities(connection: AsyncConnection) -> AsyncIterator[pl.DataFrame]:
    """Yield frames of `COLUMNS`; what could be the same identity twice lies in one frame."""
    rows: list[tuple[int, bytes]] = []
    bucket: tuple[int, int] | None = None
    async for row in await connection.stream(_SEGMENTS):
        if bucket != (row.partition, row.bucket):
            if rows:
                yield _unpacked(rows)
            rows, bucket = [], (row.partition, row.bucket)
        rows.append((row.partition, row.entries))
    if rows:
        yield _unpacked(rows)
    async for partition in (await connection.stream(_PLAIN)).partitions(PLAIN_ROWS):
        yield pl.DataFrame([tuple(row) for row in partition], schema=_SCHEMA, orient="row")


_SUMS = text(
    """
    select r.vendor_id, r.mode, r.tenant_id, r.booked_day, r.kind,
        sum(r.quantity) as quantity, sum(r.events) as events
    from unnest(:vendors, :modes, :days) as d (vendor_id, mode, booked_day)
    join metering.rollup r using (vendor_id, mode, booked_day)
    group by 1, 2, 3, 4, 5
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("vendors", "modes")),
    bindparam("days", type_=ARRAY(Date)),
)


async def read_sums(
    connection: AsyncConnection, days: Sequence[tuple[str, str, date]]
) -> dict[tuple[str, str, str, date, str], tuple[Decimal, int]]:
    """Return (quantity, events) by (vendor, mode, tenant, booked day, kind).

    `days` are (vendor, mode, booked day).
    """
    vendors, modes, dates = zip(*days, strict=True) if days else ((), (), ())
    values = {"vendors": list(vendors), "modes": list(modes), "days": list(dates)}
    rows = await connection.execute(_SUMS, values)
    return {
        (row.vendor_id, row.mode, row.tenant_id, row.booked_day, row.kind): (
            Decimal(row.quantity),
            int(row.events),
        )
        for row in rows
    }


_SCHEMA = {
    "tenant_number": pl.Int64(),
    "id": pl.String(),
    "partition": pl.Int64(),
    "offset": pl.Int64(),
    "index": pl.Int64(),
    "state": pl.Int64(),
}


def _unpacked(rows: Sequence[tuple[int, bytes]]) -> pl.DataFrame:
    frames = [
        unpack(entries).with_columns(partition=pl.lit(partition, pl.Int64))
        for partition, entries in rows
    ]
    both = pl.concat_str(pl.col("id_high"), pl.lit(":"), pl.col("id_low"))
    return (
        pl.concat(frames)
        .with_columns(id=both)
        .select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items())
    )
