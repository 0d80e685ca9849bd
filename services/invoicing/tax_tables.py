"""Tables of tax: a vendor's rates, who has which, what stands on invoices, what Stripe knows."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.invoicing.tables import metadata


def _owner(*keys: str) -> list[Column[str]]:
    return [Column(name, Text, primary_key=True) for name in ("vendor_id", "mode", *keys)]


tax_rate = Table(
    "tax_rate",
    metadata,
    *_owner("rate_id"),
    Column("valid_from", Date, primary_key=True, comment="UTC day; until the next version"),
    Column("label", Text, nullable=False),
    Column("jurisdiction", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("percent", Text, nullable=False, comment="0 to 100, exact, on top of net amounts"),
    Column("written_by", Text, nullable=False, comment="the API key"),
    Column("written_at", DateTime(timezone=True), nullable=False),
    comment="versions of named rates; one that stands on an invoice never changes",
)

tax_setting = Table(
    "tax_setting",
    metadata,
    *_owner("tenant_id"),
    Column("treatment", Text, comment="null: as the vendor's"),
    Column("rate_ids", ARRAY(Text), nullable=False),
    Column("text", Text, comment="stands on the invoice"),
    Column("tax_ids", JSONB, nullable=False, comment="of the tenant: type and value"),
    Column("written_by", Text, nullable=False, comment="the API key"),
    Column("written_at", DateTime(timezone=True), nullable=False),
    CheckConstraint(
        "treatment in ('none', 'rates', 'exempt', 'reverse_charge', 'automatic')",
        name="treatment",
    ),
    comment="how invoices are taxed; the tenant '' stands for the vendor itself",
)

invoice_tax = Table(
    "invoice_tax",
    metadata,
    *_owner("tenant_id", "invoice_id"),
    Column("position", Integer, primary_key=True),
    Column("rate_id", Text, comment="null: nothing is taxed, the label says why"),
    Column("valid_from", Date, comment="of the rate's version"),
    Column("label", Text, nullable=False),
    Column("jurisdiction", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("percent", Text, nullable=False),
    Column("taxable_exact", Text, nullable=False),
    Column("taxable_minor", BigInteger, nullable=False),
    Column("tax_exact", Text, nullable=False),
    Column("tax_minor", BigInteger, nullable=False, comment="sum to the invoice's"),
    comment="taxes of an invoice, copied from the rates as they were",
)

tenant_tax_at_stripe = Table(
    "tenant_tax_at_stripe",
    metadata,
    *_owner("tenant_id"),
    Column("tax_ids", JSONB, nullable=False, comment="type, value, and Stripe's id"),
    Column("not_located", JSONB, comment="the address that Stripe knew no place for"),
    comment="what Stripe has been told of a tenant's tax",
)
