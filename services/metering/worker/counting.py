"""Counting a frame of events: booked days, sums by everything that a price depends on, marks."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from hashlib import blake2b

import polars as pl

from shared.ids import partition_of
from shared.topics import USAGE_AGGREGATED, Topic

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
    # Joined apart: a join copies every column that it is given.
    sealed = frame.select("vendor_id", "mode").join(
        seals, on=["vendor_id", "mode"], how="left", maintain_order="left"
    )
    open_day = sealed["sealed_through"] + timedelta(days=1)
    return frame.with_columns(
        usage_day=day,
        hour=pl.col("occurred_at").dt.hour(),
        booked_day=pl.max_horizontal(day, pl.lit(open_day)),
    )


DESCRIBING = tuple(
    name
    for name in dict.fromkeys(("partition", "booked_day", *DIMENSIONS, *USER_DIMENSIONS))
    if name != "kind"
)
"""What any rollup tells apart, but for the kind."""
_COUNTED = (("token_types", "token_counts"), ("unit_names", "unit_quantities"))


def by_kind(entries: pl.DataFrame, describing: Sequence[str] = DESCRIBING) -> pl.DataFrame:
    """Return sums by `describing` and `kind`: exact `quantity`, and `events`, both with their sign.

    Events that are alike in everything are many, so they are numbered first: what is unfolded by
    kind is then a number instead of twenty columns.
    """
    groups = (
        entries.select(describing)
        .with_row_index("row")
        .group_by(describing)
        .agg("row")
        .with_row_index("group")
    )
    numbers = groups.select("group", "row").explode("row", empty_as_null=False).sort("row")
    numbered = entries.select("sign", *(name for pair in _COUNTED for name in pair)).with_columns(
        numbers["group"]
    )
    parts = [_unfold(numbered, *pair) for pair in _COUNTED]
    sums = pl.concat(parts).group_by("group", "kind").agg(pl.col("quantity", "events").sum())
    return sums.join(groups.drop("row"), on="group").drop("group")


def _unfold(numbered: pl.DataFrame, names: str, quantities: str) -> pl.DataFrame:
    """Return sums by group and kind of one pair of lists."""
    own = numbered.filter(pl.col(names).list.len() > 0).select("group", "sign", names, quantities)
    sign = pl.col("sign")
    return (
        own.explode(names, quantities, empty_as_null=False)
        .select("group", kind=names, quantity=pl.col(quantities).cast(QUANTITY) * sign, sign=sign)
        .group_by("group", "kind")
        .agg(pl.col("quantity").sum().cast(QUANTITY), events=sign.cast(pl.Int64).sum())
    )


def sum_rows(kinds: pl.DataFrame, dimensions: tuple[str, ...]) -> pl.DataFrame:
    """Return sums per partition, booked day and dimensions, with `row_key` and in its order."""
    sums = kinds.group_by("partition", "booked_day", *dimensions).agg(
        pl.col("quantity").sum().cast(QUANTITY), pl.col("events").sum()
    )
    keys = row_keys(sums, dimensions)
    return sums.with_columns(row_key=keys).sort("partition", "booked_day", "row_key")


def row_keys(sums: pl.DataFrame, dimensions: Sequence[str]) -> pl.Series:
    """Return the digest of all dimensions, length-prefixed so that no two rows share one."""
    texts = [pl.col(name).cast(pl.String) for name in dimensions]
    prefixed = [part for t in texts for part in (t.str.len_bytes().cast(pl.String), pl.lit(":"), t)]
    material = sums.select(pl.concat_str(prefixed))[:, 0].to_list()
    digests = [blake2b(text.encode(), digest_size=ROW_KEY_BYTES).digest() for text in material]
    return pl.Series("row_key", digests, dtype=pl.Binary)


def marks(events: pl.DataFrame) -> list[dict[str, object]]:
    """Return what changed: each tenant's (usage day, booked day), with its publisher's bucket."""
    rows = events.select(MARK).unique().sort(MARK).to_dicts()
    return [{"bucket": bucket_of(r["vendor_id"], r["tenant_id"]), **r} for r in rows]


def bucket_of(vendor_id: str, tenant_id: str, topic: Topic = USAGE_AGGREGATED) -> int:
    """Return the partition of `topic`, and so the publisher, of a tenant."""
    return partition_of(topic.partitions, vendor_id, tenant_id)


def tally(frame: pl.DataFrame, name: str) -> dict[tuple[str, str, int], dict[str, int]]:
    """Return how many rows each (vendor, mode, partition) has, under `name`."""
    counts = frame.group_by("vendor_id", "mode", "partition").len().rows()
    return {(vendor, mode, partition): {name: n} for vendor, mode, partition, n in counts}
