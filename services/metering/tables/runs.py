"""What runs used and what came of them, keyed by partition first as all sums; kept 90 days."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from services.metering.tables.base import account_columns, metadata

_ROOM_FOR_UPDATES = {"fillfactor": "45"}


def _of_part() -> tuple[Column[int], Column[bytes]]:
    """Return what every row of a part begins with."""
    return (
        Column("partition", Integer, nullable=False),
        Column("row_key", LargeBinary, nullable=False),
    )


# A part of a run: of a tenant's agent in one version, below a parent, by the status of its events.
run_rollup = Table(
    "run_rollup",
    metadata,
    *_of_part(),
    *account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("parent_run_id", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("agent_version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    Column("events", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "row_key"),
    Index("ix_run_rollup_run", "vendor_id", "mode", "tenant_id", "run_id"),
    Index("ix_run_rollup_parent", "vendor_id", "mode", "tenant_id", "parent_run_id"),
    Index("ix_run_rollup_last_at", "last_at"),
    postgresql_with=_ROOM_FOR_UPDATES,
)

# What a part used, by everything that a cost depends on. Rows of before these were told apart have
# no provider and no model.
run_usage = Table(
    "run_usage",
    metadata,
    *_of_part(),
    Column("usage_key", LargeBinary, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("context_band", Text, nullable=False),
    Column("service_tier", Text, nullable=False),
    Column("batch", Boolean, nullable=False),
    Column("speed", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("is_retry", Boolean, nullable=False),
    Column("usage_day", Date, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("events", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "row_key", "usage_key"),
    postgresql_with=_ROOM_FOR_UPDATES,
)

# Outcomes that a part told, by name and by who says so; `value` adds up their values.
run_outcome = Table(
    "run_outcome",
    metadata,
    *_of_part(),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("value", Numeric, nullable=False),
    Column("events", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "row_key", "name", "source"),
    postgresql_with=_ROOM_FOR_UPDATES,
)

# Runs that are to be published: a mark for each flush that changed one.
changed_run = Table(
    "changed_run",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("bucket", Integer, nullable=False),
    *account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Index("ix_changed_run_bucket", "bucket", "id"),
)
