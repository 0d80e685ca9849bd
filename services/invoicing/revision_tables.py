"""Table of revisions: which issued invoice is replaced, with what, and by which one."""

from sqlalchemy import Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from services.invoicing.tables import metadata

invoice_revision = Table(
    "invoice_revision",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("tenant_id", Text, primary_key=True),
    Column("invoice_id", Text, primary_key=True, comment="that is replaced"),
    Column("lines", JSONB, comment="of a one-off invoice; null: its own"),
    Column("revised_by", Text, unique=True, comment="the new invoice; null until the old is void"),
    Column("created_by", Text, nullable=False, comment="the API key"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    comment="how issued invoices are replaced",
)
