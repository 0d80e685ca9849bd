"""Tables of orders of credit in the schema `pricing`: rows are only added.

Orders and what became of them are never changed or deleted: triggers refuse it (migrations).
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.pricing.tables import metadata


def _created_at() -> Column[object]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


top_up_order = Table(
    "top_up_order",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("number", Integer, nullable=False, comment="1 for the tenant's first"),
    Column("statement_id", Text, nullable=False),
    Column("origin", Text, nullable=False, comment="ordered or automatic"),
    Column("ordered_on", Date, nullable=False),
    Column("content", JSONB, nullable=False, comment="the order, amounts as exact text"),
    _created_at(),
    UniqueConstraint("vendor_id", "mode", "tenant_id", "number"),
    UniqueConstraint("vendor_id", "mode", "statement_id"),
    CheckConstraint("origin in ('ordered', 'automatic')", name="origin"),
)

top_up_event = Table(
    "top_up_event",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("event", Text, primary_key=True, comment="what became of its invoice, or: dismissed"),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    Column("invoice_id", Text),
    Column("invoice_key", Text),
    Column("note", Text),
    Column("happened_at", DateTime(timezone=True), nullable=False),
    _created_at(),
    Index(
        "uq_top_up_event_paid",
        *("vendor_id", "mode", "invoice_key"),
        unique=True,
        postgresql_where=text("event = 'paid'"),
    ),
)
