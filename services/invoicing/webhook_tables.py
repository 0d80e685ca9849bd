"""Tables of webhooks out in the schema `invoicing`: endpoints, events, deliveries, attempts."""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.invoicing.tables import metadata


def _key(*names: str) -> list[Column[Any]]:
    return [Column(name, Text, primary_key=True) for name in ("vendor_id", "mode", *names)]


def _goes_with(parent: Table, name: str) -> ForeignKeyConstraint:
    """Return the reference to a parent's primary key: the row is deleted with its parent."""
    columns = list(parent.primary_key.columns)
    names = [column.name for column in columns]
    return ForeignKeyConstraint(names, columns, name=name, ondelete="CASCADE")


webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    *_key("endpoint_id"),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("state", Text, nullable=False),
    Column("disabled_reason", Text),
    Column("sealed", LargeBinary, nullable=False),
    Column("failing_since", DateTime(timezone=True), comment="null: the last attempt was good"),
    Column("paused_until", DateTime(timezone=True), comment="as Retry-After asked"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("mode in ('test', 'live')", name="mode"),
    CheckConstraint("state in ('enabled', 'disabled')", name="state"),
)

webhook_event = Table(
    "webhook_event",
    metadata,
    *_key("event_id"),
    Column("type", Text, nullable=False),
    Column("tenant_id", Text),
    Column("payload", Text, nullable=False, comment="the very text that is signed"),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Index("ix_webhook_event_recorded_at", "recorded_at"),
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    *_key("endpoint_id", "event_id"),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="why it is dead"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column(
        "round_attempts",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="since it was made or replayed",
    ),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("lease", Text, comment="of the attempt under way"),
    Column("leased_until", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    CheckConstraint("state in ('pending', 'delivered', 'dead')", name="state"),
    _goes_with(webhook_endpoint, "fk_webhook_delivery_endpoint"),
    _goes_with(webhook_event, "fk_webhook_delivery_event"),
    Index(
        "ix_webhook_delivery_due",
        *("vendor_id", "mode", "endpoint_id", "next_attempt_at"),
        postgresql_where=text("state = 'pending'"),
    ),
    Index(
        "ix_webhook_delivery_dead",
        *("vendor_id", "mode", "endpoint_id"),
        postgresql_where=text("state = 'dead'"),
    ),
    Index("ix_webhook_delivery_event", "vendor_id", "mode", "event_id"),
    Index(
        "ix_webhook_delivery_finished_at",
        "finished_at",
        postgresql_where=text("state <> 'pending'"),
    ),
)

webhook_attempt = Table(
    "webhook_attempt",
    metadata,
    *_key("endpoint_id", "event_id"),
    Column("number", Integer, primary_key=True),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("status", Integer, comment="of the answer; null without one"),
    Column("failure", Text, comment="null: a good answer, or the outcome is unknown"),
    Column("latency_ms", Integer, comment="null while under way, or if its process died"),
    Column("answer", Text, comment="how the answer begins"),
    _goes_with(webhook_delivery, "fk_webhook_attempt_delivery"),
)
