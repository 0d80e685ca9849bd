"""Definitions of meters, and what was computed by them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
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

# Values of meters over sealed periods, for good, with a hash of what they were computed from. What
# is booked before a day is in it: the period's end or, for what came late, the end of a later one.
meter_value = Table(
    "meter_value",
    metadata,
    Column("meter_id", BigInteger, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("booked_before", Date, nullable=False),
    Column("value", Text, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("input_hash", Text, nullable=False),
    Column("computed_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("meter_id", "tenant_id", "period_start", "period_end", "booked_before"),
)

# What pricing asked for and was not told yet. A row goes when its answer is in the outbox.
meter_request = Table(
    "meter_request",
    metadata,
    Column("request_id", Text, primary_key=True),
    *account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("booked_before", Date),  # null: a live value, of all that is counted
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("failure", Text),
    Index("ix_meter_request_next", "next_attempt_at"),
    Index("ix_meter_request_tenant", "vendor_id", "mode", "tenant_id"),
)
