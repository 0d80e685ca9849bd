"""Counting a frame of events: booked days, sums by everything that a price depends on, marks."""

from collections.abc import Mapping
from datetime import date
from hashlib import blake2b

import polars as pl

from shared.ids import length_prefixed, partition_of
from shared.topics import USAGE_AGGREGATED

IDENTITY = ("vendor_id", "mode", "tenant_id", "event_id")
ROW_KEY_BYTES = 16
QUANTITY = pl.Decimal(38, 9)
"""Exact sums: units have 9 decimal places, and 38 digits hold any flush of counts up to 10^15."""

DIMENSIONS = (
    *("vendor_id", "mode", "tenant_id", "provider", "agent", "model", "kind", "context_band"),
    *("service_tier", "batch", "speed", "region", "purpose", "status", "usage_day", "hour"),
    "entry",
)
USER_DIMENSIONS = (
    *("vendor_id", "mode", "tenant_id", "team", "user", "agent", "model", "purpose", "kind"),
    *("usage_day", "entry"),
)
MARK = ("vendor_id", "mode", "tenant_id", "usage_day", "booked_day")

Account = tuple[str, str]


def accounts_of(frame: pl.DataFrame) -> list[Account]:
    """Return the (vendor, mode) pairs in their one order of locking."""
    return sorted(frame.select("vendor_id", "mode").unique().rows())


def book(frame: pl.DataFrame, sealed_through: Mapping[Account, date]) -> pl.DataFrame:
    """Add `usage_day`, `hour` and `booked_day`: the usage day, or the first open day after it."""
    seals = pl.DataFrame(
        [(*account, day) for account, day in sealed_through.items()],
        schema={"vendor_id": pl.String, "mode": pl.String, "sealed_through": pl.Date},
        orient="row",
    )
    day = pl.col("occurred_at").dt.date()
    open_day = pl.col("sealed_through") + pl.duration(days=1)
    return (
        frame.join(seals, on=["vendor_id", "mode"], how="left", maintain_order="left")
        .with_columns(
            usage_day=day,
            hour=pl.col("occurred_at").dt.hour(),
            booked_day=pl.max_horizontal(day, open_day),
            entry=pl.lit("usage"),
        )
        .drop("sealed_through")
    )


def by_kind(events: pl.DataFrame) -> pl.DataFrame:
    """Return one row per event and token type or unit, with `kind` and an exact `quantity`."""
    tokens = events.explode("token_types", "token_counts", empty_as_null=False).select(
        pl.exclude("token_types", "token_counts", "unit_names", "unit_quantities"),
        kind="token_types",
        quantity=pl.col("token_counts").cast(QUANTITY),
    )
    with_units = events.filter(pl.col("unit_names").list.len() > 0)
    if with_units.is_empty():
        return tokens
    units = with_units.explode("unit_names", "unit_quantities", empty_as_null=False).select(
        pl.exclude("token_types", "token_counts", "unit_names", "unit_quantities"),
        kind="unit_names",
        quantity=pl.col("unit_quantities").cast(QUANTITY),
    )
    return pl.concat([tokens, units])


def sum_rows(kinds: pl.DataFrame, dimensions: tuple[str, ...]) -> pl.DataFrame:
    """Return sums per partition, booked day and dimensions, with `row_key` and in its order."""
    sums = kinds.group_by("partition", "booked_day", *dimensions).agg(
        pl.col("quantity").sum(), events=pl.len()
    )
    keys = [row_key(row) for row in sums.select(dimensions).iter_rows()]
    return sums.with_columns(pl.Series("row_key", keys, dtype=pl.Binary)).sort(
        "partition", "booked_day", "row_key"
    )


def row_key(dimensions: tuple[object, ...]) -> bytes:
    """Return the digest of all dimensions, length-prefixed so that no two rows share one."""
    material = length_prefixed(*map(str, dimensions))
    return blake2b(material, digest_size=ROW_KEY_BYTES).digest()


def marks(events: pl.DataFrame) -> list[dict[str, object]]:
    """Return what changed: each tenant's (usage day, booked day), with its publisher's bucket."""
    rows = events.select(MARK).unique().sort(MARK).to_dicts()
    return [{"bucket": bucket_of(r["vendor_id"], r["tenant_id"]), **r} for r in rows]


def bucket_of(vendor_id: str, tenant_id: str) -> int:
    """Return the partition of `usage.aggregated`, and so the publisher, of a tenant."""
    return partition_of(USAGE_AGGREGATED.partitions, vendor_id, tenant_id)


def tally(frame: pl.DataFrame, name: str) -> dict[tuple[str, str, int], dict[str, int]]:
    """Return how many rows each (vendor, mode, partition) has, under `name`."""
    counts = frame.group_by("vendor_id", "mode", "partition").len().rows()
    return {(vendor, mode, partition): {name: n} for vendor, mode, partition, n in counts}
