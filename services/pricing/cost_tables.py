"""Tables of provider cost and of writes that come twice, in the schema `pricing`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.pricing.tables import metadata

provider_price = Table(
    "provider_price",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False, comment="contract or manual"),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False, comment="* is every model"),
    Column("kind", Text, nullable=False),
    Column("service_tier", Text, comment="null: any; empty: the provider's standard"),
    Column("batch", Boolean, comment="null: any"),
    Column("speed", Text, comment="null: any; empty: the provider's standard"),
    Column("effective_from", Date, nullable=False),
    Column("effective_to", Date, comment="exclusive; null: open"),
    Column("per", Text, nullable=False),
    Column("unit_amount", Text, comment="US dollars for `per` units; null takes back a price"),
    Column("long_context", JSONB, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("source in ('contract', 'manual')", name="source"),
    CheckConstraint("effective_to is null or effective_to > effective_from", name="days"),
    Index("ix_provider_price_model", "vendor_id", "mode", "provider", "model", "kind"),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text, nullable=False, comment="of the operation and its body"),
    Column("answer", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_idempotency_key_created_at", "created_at"),
)
