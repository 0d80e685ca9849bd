"""Tables of what becomes of periods that turn out cheaper, in the schema `pricing`.

What was credited is never changed or deleted: triggers refuse it.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.pricing.tables import metadata

adjustment_setting = Table(
    "adjustment_setting",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("tenant_id", Text, primary_key=True, comment="'' stands for the vendor itself"),
    Column("negative_adjustments", Text, nullable=False),
    Column("settlement", Text, nullable=False, comment="of what is paid already"),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint(
        "negative_adjustments in ('next_statement', 'credit_note')", name="negative_adjustments"
    ),
    CheckConstraint("settlement in ('balance', 'refund', 'out_of_band')", name="settlement"),
)

adjustment_credit = Table(
    "adjustment_credit",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("adjustment_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("statement_id", Text, nullable=False, comment="of the period that is cheaper now"),
    Column("subscription_id", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("revision", Integer, nullable=False, comment="of the rating that it made the last"),
    Column("period_end", Date, nullable=False, comment="exclusive"),
    Column("content", JSONB, nullable=False, comment="what invoicing is told"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint(
        *("vendor_id", "mode", "subscription_id", "sequence", "revision"),
        name="uq_adjustment_credit_rating",
    ),
    Index("ix_adjustment_credit_statement", "vendor_id", "mode", "statement_id"),
)
