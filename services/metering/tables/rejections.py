"""What was not counted, and what people did about it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.metering.tables.base import account_columns, metadata, position_columns

rejected = Table(
    "rejected",
    metadata,
    *position_columns(),
    *account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("event", JSONB, nullable=False),
    Column("rejected_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("partition", "offset", "index"),
    Index("ix_rejected_identity", "vendor_id", "mode", "tenant_id", "event_id"),
)

dead_letter_action = Table(
    "dead_letter_action",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *position_columns(),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_dead_letter_action_position", "partition", "offset", "index"),
    CheckConstraint("action in ('replay', 'discard')", name="action"),
    CheckConstraint("result in ('queued', 'closed', 'refused')", name="result"),
)
