"""Definitions of meters, and what was computed by them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.metering.tables.base import account_columns, metadata

# Versions of meters; a version never changes. Flushes from the offsets `live_from` on count it.
meter = Table(
    "meter",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *account_columns(),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition", JSONB, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("is_additive", Boolean, nullable=False),
    Column("live_from", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("vendor_id", "mode", "name", "version"),
    CheckConstraint("version >= 1", name="version"),
)

# Additive meters whose past events, below `live_from`, are counted.
meter_backfill = Table(
    "meter_backfill",
    metadata,
    Column("meter_id", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("done_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("meter_id"),
)

# Values of meters over sealed periods, for good, with a hash of what they were computed from.
meter_value = Table(
    "meter_value",
    metadata,
    Column("meter_id", BigInteger, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("value", Text, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("input_hash", Text, nullable=False),
    Column("computed_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("meter_id", "tenant_id", "period_start", "period_end"),
)
