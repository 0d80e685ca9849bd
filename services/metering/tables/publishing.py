"""Marks, seals and recounts: what leaves for pricing, and when."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.metering.tables.base import account_columns, metadata

changed_day = Table(
    "changed_day",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("bucket", Integer, nullable=False),
    *account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("usage_day", Date, nullable=False),
    Column("booked_day", Date, nullable=False),
    Index("ix_changed_day_bucket", "bucket", "id"),
)

# The version that was last taken of a partition of a topic.
publisher_bucket = Table(
    "publisher_bucket",
    metadata,
    Column("topic", Text, nullable=False),
    Column("bucket", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("topic", "bucket"),
)

vendor_seal = Table(
    "vendor_seal",
    metadata,
    *account_columns(),
    Column("sealed_through", Date, nullable=False),
    PrimaryKeyConstraint("vendor_id", "mode"),
)

seal = Table(
    "seal",
    metadata,
    *account_columns(),
    Column("day", Date, nullable=False),
    Column("offsets", JSONB, nullable=False),
    Column("recount", Text, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("vendor_id", "mode", "day"),
    CheckConstraint("recount in ('agreed', 'differs', 'off', 'pending')", name="recount"),
    Index("ix_seal_pending", "sealed_at", postgresql_where=text("recount = 'pending'")),
)

# How a booked day came out when it was counted again from the archive; the last recount of each.
day_verification = Table(
    "day_verification",
    metadata,
    *account_columns(),
    Column("day", Date, nullable=False),
    Column("outcome", Text, nullable=False),
    # Offsets of usage.recorded up to which both ways counted, exclusive, by partition.
    Column("offsets", JSONB, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("differing_rows", BigInteger, nullable=False),
    Column("differences", JSONB, nullable=False),
    Column("checked_at", DateTime(timezone=True), nullable=False),
    Column("duration_seconds", Numeric(12, 3), nullable=False),
    PrimaryKeyConstraint("vendor_id", "mode", "day"),
    CheckConstraint("outcome in ('agreed', 'differs', 'off')", name="outcome"),
)

pending_seal = Table(
    "pending_seal",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("bucket", Integer, nullable=False),
    *account_columns(),
    Column("day", Date, nullable=False),
    Index("ix_pending_seal_bucket", "bucket", "id"),
)
