"""The SQL of identities: numbers of tenants, segments, other ids, natural keys, versions."""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from services.metering.repository.copying import copy_fixed, copy_frame
from services.metering.tables import correction, natural_duplicate, overlay, tenant_number
from shared.database import driver_of

Tenant = tuple[str, str, str]
Target = tuple[int, str]
"""(number of the tenant, canonical id of the first event)."""

VERSION_SCHEMA: dict[str, Any] = {
    "tenant_number": pl.UInt32,
    "target_id": pl.String,
    "digest": pl.UInt64,
    "revision": pl.Int32,
    "partition": pl.Int64,
    "offset": pl.Int64,
    "index": pl.Int64,
}


async def number_tenants(
    connection: AsyncConnection, tenants: Sequence[Tenant]
) -> dict[Tenant, int]:
    """Return the number of each (vendor, mode, tenant), given out on first sight."""
    columns = dict(
        zip(("vendor_id", "mode", "tenant_id"), zip(*sorted(tenants), strict=True), strict=True)
    )
    rows = [dict(zip(columns, tenant, strict=True)) for tenant in sorted(tenants)]
    await connection.execute(insert(tenant_number).on_conflict_do_nothing(), rows)
    found = await connection.execute(
        text(
            "select t.vendor_id, t.mode, t.tenant_id, t.number "
            "from unnest(:vendors, :modes, :tenants) as s (vendor_id, mode, tenant_id) "
            "join metering.tenant_number t using (vendor_id, mode, tenant_id)"
        ).bindparams(*(bindparam(n, type_=ARRAY(Text)) for n in ("vendors", "modes", "tenants"))),
        {
            "vendors": list(columns["vendor_id"]),
            "modes": list(columns["mode"]),
            "tenants": list(columns["tenant_id"]),
        },
    )
    return {(row.vendor_id, row.mode, row.tenant_id): row.number for row in found}


async def read_segments(
    connection: AsyncConnection, buckets: Sequence[tuple[int, int]]
) -> list[tuple[int, int, bytes]]:
    """Return (partition, bucket, packed entries) of what is stored of these buckets."""
    driver = await driver_of(connection)
    partitions, times = [b[0] for b in buckets], [b[1] for b in buckets]
    # Straight from the driver: the bytes are large, and nothing is to be converted.
    rows = await driver.fetch(
        "select s.partition, s.bucket, s.entries from unnest($1::int[], $2::bigint[]) "
        "as b (partition, bucket) join metering.identity_segment s using (partition, bucket)",
        partitions,
        times,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def insert_segments(
    connection: AsyncConnection, rows: Sequence[tuple[int, int, int, bytes]]
) -> None:
    """Store segments: (partition, bucket, first offset of the flush, packed entries)."""
    driver = await driver_of(connection)
    await driver.copy_records_to_table(
        "identity_segment",
        schema_name="metering",
        records=rows,
        columns=["partition", "bucket", "offset", "entries"],
    )


async def read_identities(connection: AsyncConnection, targets: Sequence[Target]) -> pl.DataFrame:
    """Return the entries of ids that are not time-ordered, as far as they are known."""
    return await _read_by_target(connection, "plain_identity", targets, ("state",))


async def insert_identities(connection: AsyncConnection, entries: pl.DataFrame) -> None:
    """Store new entries of ids that are not time-ordered."""
    await copy_frame(connection, "plain_identity", entries, schema="metering")


async def read_overlays(connection: AsyncConnection, targets: Sequence[Target]) -> pl.DataFrame:
    """Return the version that counts of those targets that have had more than one."""
    return await _read_by_target(connection, "overlay", targets, ("is_correction", "is_void"))


async def _read_by_target(
    connection: AsyncConnection, table: str, targets: Sequence[Target], more: tuple[str, ...]
) -> pl.DataFrame:
    names = ("digest", "revision", "partition", '"offset"', "index", *more)
    columns = ", ".join(f"e.{name}" for name in names)
    driver = await driver_of(connection)
    rows = await driver.fetch(
        f"select e.tenant_number, e.event_id, {columns} from unnest($1::int[], $2::text[]) "  # noqa: S608
        f"as t (tenant_number, event_id) join metering.{table} e using (tenant_number, event_id)",
        [number for number, _ in targets],
        [event_id for _, event_id in targets],
    )
    kinds = {"state": pl.UInt8, "is_correction": pl.Boolean, "is_void": pl.Boolean}
    schema = {**VERSION_SCHEMA, **{name: kinds[name] for name in more}}
    values = [(row[0], row[1], int(row[2]), *row[3:]) for row in rows]
    return pl.DataFrame(values, schema=schema, orient="row")


async def put_overlays(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Store which version counts now."""
    if not rows:
        return
    statement = insert(overlay)
    names = [c.name for c in overlay.columns if not c.primary_key]
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_number", "event_id"],
            set_={name: statement.excluded[name] for name in names},
        ),
        list(rows),
    )


async def read_waiting(connection: AsyncConnection, partitions: Iterable[int]) -> Sequence[Any]:
    """Return the corrections that wait for their target in these partitions."""
    query = select(correction).where(
        correction.c.state == "waiting", correction.c.partition.in_(list(partitions))
    )
    return (await connection.execute(query)).all()


async def read_corrections(
    connection: AsyncConnection, *, targets: Sequence[Target], ids: Sequence[Target] = ()
) -> Sequence[Any]:
    """Return what is known of targets, and of corrections by their own ids."""
    query = text(
        """
        select * from metering.correction where (tenant_number, target_id) in
            (select * from unnest(cast(:target_numbers as int[]), cast(:targets as text[])))
        union
        select * from metering.correction where is_correction and (tenant_number, event_id) in
            (select * from unnest(cast(:id_numbers as int[]), cast(:ids as text[])))
        order by partition, "offset", index
        """
    )
    values = {
        "target_numbers": [number for number, _ in targets],
        "targets": [target for _, target in targets],
        "id_numbers": [number for number, _ in ids],
        "ids": [event_id for _, event_id in ids],
    }
    return (await connection.execute(query, values)).all()


async def put_corrections(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Store the audit rows of corrections, or what became of those that waited."""
    if not rows:
        return
    statement = insert(correction)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["partition", "offset", "index"],
            set_={"state": statement.excluded.state},
        ),
        list(rows),
    )


_NATURAL_STAGE = """
create temp table if not exists natural_stage (
    key bytea, number int, partition int, "offset" bigint, index int
) on commit delete rows
"""
_NATURAL_INSTRUMENTS = """
create temp table if not exists natural_instrument (number int, instrument text)
on commit delete rows
"""
_CLAIM_KEYS = """
insert into metering.natural_key (key, instrument, partition, "offset", index)
select s.key, i.instrument, s.partition, s."offset", s.index
from natural_stage s join natural_instrument i using (number)
order by s.key
on conflict do nothing
"""
_OWNERS_BEFORE = """
select n.key, n.instrument, n.partition, n."offset", n.index
from natural_stage s join metering.natural_key n using (key)
where (n.partition, n."offset", n.index) <> (s.partition, s."offset", s.index)
"""


async def claim_natural_keys(
    connection: AsyncConnection, keys: pl.DataFrame, instruments: Sequence[str]
) -> Sequence[Any]:
    """Book distinct keys for their instruments; return the owners of those booked before.

    `keys` has key (16 bytes), number (place in `instruments`), partition, offset, index.
    """
    await connection.execute(text(_NATURAL_STAGE))
    await connection.execute(text(_NATURAL_INSTRUMENTS))
    numbered = pl.DataFrame({"number": range(len(instruments)), "instrument": list(instruments)})
    await copy_frame(connection, "natural_instrument", numbered)
    # One order for all workers: two that book the same keys wait for one another, never in a ring.
    await copy_fixed(connection, "natural_stage", keys.sort("key"))
    claimed = await connection.execute(text(_CLAIM_KEYS))
    # Most flushes bring new responses only: then there is nothing to be read back.
    if claimed.rowcount == keys.height:
        return []
    return (await connection.execute(text(_OWNERS_BEFORE))).all()


async def insert_natural_duplicates(
    connection: AsyncConnection, rows: Sequence[dict[str, Any]]
) -> None:
    """Store which events another instrument had booked before."""
    if rows:
        await connection.execute(insert(natural_duplicate).on_conflict_do_nothing(), list(rows))
