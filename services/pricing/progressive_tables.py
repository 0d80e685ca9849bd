"""Tables of progressive billing in the schema `pricing`.

What was invoiced in mid-period, and what of that is void, is never changed or deleted: triggers
refuse it (migrations).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
)

from services.pricing.tables import metadata


def _created_at() -> Column[object]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


progressive_look = Table(
    "progressive_look",
    metadata,
    *(Column(name, Text, primary_key=True) for name in ("vendor_id", "mode", "subscription_id")),
    Column("sequence", Integer, nullable=False, comment="of the period that was open"),
    Column("changes", BigInteger, nullable=False, comment="of the usage that was looked at"),
)

progressive_statement = Table(
    "progressive_statement",
    metadata,
    *(Column(name, Text, primary_key=True) for name in ("vendor_id", "mode", "subscription_id")),
    Column("sequence", Integer, primary_key=True, comment="of the period that was open"),
    Column("threshold_exact", Text, primary_key=True, comment="that the spend had reached"),
    Column("number", Integer, nullable=False, comment="1 for the subscription's first"),
    Column("statement_id", Text, nullable=False),
    Column("total_exact", Text, nullable=False),
    Column("watermark", DateTime(timezone=True), nullable=False),
    _created_at(),
    UniqueConstraint("vendor_id", "mode", "subscription_id", "number"),
    UniqueConstraint("vendor_id", "mode", "statement_id"),
)

progressive_void = Table(
    "progressive_void",
    metadata,
    *(Column(name, Text, primary_key=True) for name in ("vendor_id", "mode", "statement_id")),
    Column("invoice_id", Text, nullable=False),
    _created_at(),
)
