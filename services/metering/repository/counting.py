"""The SQL of a flush: identities, rollups, marks, rejections; written in bulk by COPY."""

from collections.abc import Mapping, Sequence
from datetime import date
from io import BytesIO
from typing import Any

import polars as pl
from sqlalchemy import select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.tables import (
    changed_day,
    counting_statistic,
    event_identity,
    rejected,
    vendor_seal,
)

_IDENTITY_STAGE = """
create temp table if not exists identity_stage (
    vendor_id text, mode text, tenant_id text, event_id text, fingerprint bytea,
    partition int, "offset" bigint, index int, usage_day date, booked_day date
) on commit delete rows
"""

# Only what was there already comes back: in most flushes that is little or nothing.
_CLAIM = """
with claimed as (
    insert into metering.event_identity (
        vendor_id, mode, tenant_id, event_id, fingerprint, partition, "offset", index,
        usage_day, booked_day
    )
    select vendor_id, mode, tenant_id, event_id, fingerprint, partition, "offset", index,
           usage_day, booked_day
    from identity_stage
    on conflict do nothing
    returning partition, "offset", index
)
select partition, "offset", index from identity_stage
except all
select partition, "offset", index from claimed
"""

# The lateral join looks each identity up by its key, however large the table has grown.
_STORED = """
select s.partition, s."offset", s.index, stored.fingerprint
from unnest(cast(:partitions as int[]), cast(:offsets as bigint[]), cast(:indexes as int[]))
     as known (partition, "offset", index)
join identity_stage s using (partition, "offset", index)
cross join lateral (
    select e.fingerprint from metering.event_identity e
    where e.vendor_id = s.vendor_id and e.mode = s.mode
      and e.tenant_id = s.tenant_id and e.event_id = s.event_id
    limit 1
) stored
"""


async def copy_frame(connection: AsyncConnection, table: str, frame: pl.DataFrame) -> None:
    """Append a frame without nulls to a temporary table of the same column names."""
    texts = frame.with_columns(
        pl.concat_str(pl.lit("\\x"), pl.col(name).bin.encode("hex")).alias(name)
        for name, kind in frame.schema.items()
        if kind == pl.Binary
    )
    # Quoted always: in CSV an unquoted empty text would be a null.
    lines = texts.write_csv(include_header=False, quote_style="always").encode()
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    await driver.copy_to_table(table, source=BytesIO(lines), columns=frame.columns, format="csv")


async def read_sealed_through(
    connection: AsyncConnection, accounts: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], date]:
    """Return the last sealed day of those accounts that have one."""
    query = select(vendor_seal).where(
        tuple_(vendor_seal.c.vendor_id, vendor_seal.c.mode).in_(accounts)
    )
    rows = await connection.execute(query)
    return {(row.vendor_id, row.mode): row.sealed_through for row in rows}


async def claim_identities(connection: AsyncConnection, events: pl.DataFrame) -> pl.DataFrame:
    """Store the identities of distinct events; return the positions that were known already.

    The answer has the columns partition, offset, index and `stored_fingerprint`.
    """
    await connection.execute(text(_IDENTITY_STAGE))
    columns = [column.name for column in event_identity.columns]
    await copy_frame(connection, "identity_stage", events.select(columns).sort(columns[:4]))
    known = (await connection.execute(text(_CLAIM))).all()
    stored: Sequence[Any] = []
    if known:
        partitions, offsets, indexes = (list(column) for column in zip(*known, strict=True))
        values = {"partitions": partitions, "offsets": offsets, "indexes": indexes}
        stored = (await connection.execute(text(_STORED), values)).all()
    schema = {"partition": pl.Int64, "offset": pl.Int64, "index": pl.Int64}
    return pl.DataFrame(
        [tuple(row) for row in stored],
        schema={**schema, "stored_fingerprint": pl.Binary},
        orient="row",
    )


async def add_to_rollup(connection: AsyncConnection, table: str, rows: pl.DataFrame) -> None:
    """Add sums, in the order of their keys, to `rollup` or `user_rollup`."""
    stage, columns = f"{table}_stage", ", ".join(f'"{name}"' for name in rows.columns)
    await connection.execute(
        text(
            f"create temp table if not exists {stage} (like metering.{table}) on commit delete rows"
        )
    )
    await copy_frame(connection, stage, rows)
    await connection.execute(
        text(
            f"insert into metering.{table} as r ({columns}) "  # noqa: S608 - names from our own tables
            f"select {columns} from {stage} order by partition, booked_day, row_key "
            "on conflict (partition, booked_day, row_key) do update "
            "set quantity = r.quantity + excluded.quantity, events = r.events + excluded.events"
        )
    )


async def insert_marks(connection: AsyncConnection, rows: list[dict[str, object]]) -> None:
    """Mark days as changed, for the publisher. Always inserted: a mark is never shared."""
    if rows:
        await connection.execute(changed_day.insert(), rows)


async def insert_rejected(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    """Store rejections; they are unique by where the event came from."""
    if rows:
        await connection.execute(insert(rejected).on_conflict_do_nothing(), rows)


async def add_statistics(
    connection: AsyncConnection, counts: Mapping[tuple[str, str, int], Mapping[str, int]]
) -> None:
    """Add to what each (vendor, mode, partition) has counted, seen twice and rejected."""
    if not counts:
        return
    names = ("counted", "duplicates", "rejected")
    rows = [
        {"vendor_id": v, "mode": m, "partition": p, **{n: counts[v, m, p].get(n, 0) for n in names}}
        for v, m, p in sorted(counts)
    ]
    statement = insert(counting_statistic)
    sums = {n: counting_statistic.c[n] + statement.excluded[n] for n in names}
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["vendor_id", "mode", "partition"], set_=sums
        ),
        rows,
    )
