"""The SQL of a flush: rollups, marks, rejections; written in bulk by COPY."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository.copying import copy_frame
from services.metering.tables import (
    changed_day,
    counting_statistic,
    rejected,
    vendor_seal,
)

KNOWN_KEYS_MAX = 100_000
"""About 100 bytes each."""
_KEY = ("partition", "booked_day", "row_key")
_SUMS = (*_KEY, "quantity", "events")


class RowsGoneError(Exception):
    """Rows of a rollup that were written before are gone: a person must look."""


@dataclass
class KnownRows:
    """Which rows of the rollups are known to be there: rollup rows are never deleted.

    Bounded by `keys_max`; above it all are forgotten and looked up by the next flush.
    """

    keys_max: int = KNOWN_KEYS_MAX
    _keys: dict[tuple[str, int, date], set[bytes]] = field(default_factory=dict)

    def holds(self, table: str, rows: pl.DataFrame) -> pl.Series:
        """Return for each row whether it is known."""
        found = [
            key in self._keys.get((table, partition, day), ())
            for partition, day, key in rows.select(_KEY).iter_rows()
        ]
        return pl.Series(found, dtype=pl.Boolean)

    def add(self, table: str, rows: pl.DataFrame) -> None:
        """Note that rows are there, as soon as the transaction commits."""
        if rows.height + sum(map(len, self._keys.values())) > self.keys_max:
            self.clear()
        if rows.height <= self.keys_max:
            for partition, day, key in rows.select(_KEY).iter_rows():
                self._keys.setdefault((table, partition, day), set()).add(key)

    def clear(self) -> None:
        """Forget everything."""
        self._keys.clear()


async def read_sealed_through(
    connection: AsyncConnection, accounts: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], date]:
    """Return the last sealed day of those accounts that have one."""
    query = select(vendor_seal).where(
        tuple_(vendor_seal.c.vendor_id, vendor_seal.c.mode).in_(accounts)
    )
    rows = await connection.execute(query)
    return {(row.vendor_id, row.mode): row.sealed_through for row in rows}


async def add_to_rollup(
    connection: AsyncConnection, table: str, rows: pl.DataFrame, known: KnownRows
) -> None:
    """Add sums, in the order of their keys, to `rollup` or `user_rollup`.

    Raises `RowsGoneError` when a row that we wrote before is not there any more.
    """
    is_known = known.holds(table, rows)
    if is_known.any():
        await _add_to_known(connection, table, rows.filter(is_known).select(_SUMS))
        rows = rows.filter(~is_known)
    if not rows.is_empty():
        await _upsert(connection, table, rows)
        known.add(table, rows)


async def _add_to_known(connection: AsyncConnection, table: str, sums: pl.DataFrame) -> None:
    """Add to rows that are there: their twenty columns are neither sent nor looked at again."""
    stage = f"{table}_known"
    await connection.execute(
        text(
            f"create temp table if not exists {stage} (partition int, booked_day date, "
            "row_key bytea, quantity numeric, events bigint) on commit delete rows"
        )
    )
    await copy_frame(connection, stage, sums)
    updated = await connection.execute(
        text(
            f"update metering.{table} r set quantity = r.quantity + s.quantity, "  # noqa: S608
            f"events = r.events + s.events from {stage} s where r.partition = s.partition "
            "and r.booked_day = s.booked_day and r.row_key = s.row_key"
        )
    )
    if updated.rowcount != sums.height:
        raise RowsGoneError(f"{table}: {sums.height} rows were written, {updated.rowcount} found")


async def _upsert(connection: AsyncConnection, table: str, rows: pl.DataFrame) -> None:
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
    names = ("counted", "duplicates", "stale", "corrections", "rejected")
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
