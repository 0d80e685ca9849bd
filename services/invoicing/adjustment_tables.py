"""Table of what pricing credits of closed periods, and what became of it."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from services.invoicing.tables import metadata

credited_adjustment = Table(
    "credited_adjustment",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("tenant_id", Text, primary_key=True),
    Column("adjustment_id", Text, primary_key=True),
    Column("statement_id", Text, nullable=False, comment="of the period"),
    Column("invoice_id", Text, nullable=False, comment="of the period"),
    Column("rating_revision", Integer, nullable=False),
    Column("amount_exact", Text, nullable=False, comment="to credit, above zero, before coupons"),
    Column("coupons_exact", Text, nullable=False, comment="what coupons of it had taken off"),
    Column("changes", JSONB, nullable=False, comment="line key -> charge, exact difference"),
    Column("credit_note_id", Text, unique=True, comment="null: nothing could be credited"),
    Column("credited_minor", BigInteger, nullable=False, comment="before tax"),
    Column(
        "carried_exact", Text, nullable=False, comment="what opens the next invoice, not below 0"
    ),
    Column("created_at", DateTime(timezone=True), nullable=False),
    comment="what pricing credits of closed periods",
)
