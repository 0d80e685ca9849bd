"""Tables of the schema `invoicing`; triggers in the migration keep amounts as they are."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database import service_metadata
from shared.inbox import inbox_table
from shared.outbox import outbox_table

metadata = service_metadata("invoicing")

inbox = inbox_table(metadata)
outbox = outbox_table(metadata)


def _owner(*, primary_key: bool = True) -> list[Column[Any]]:
    """Return the columns that say whose row it is: first in every key and query."""
    return [
        Column("vendor_id", Text, primary_key=primary_key, nullable=False),
        Column("mode", Text, primary_key=primary_key, nullable=False),
        Column("tenant_id", Text, primary_key=primary_key, nullable=False),
    ]


invoice = Table(
    "invoice",
    metadata,
    *_owner(primary_key=False),
    Column("invoice_id", Text, primary_key=True),
    Column("invoice_key", Text, nullable=False, unique=True),
    Column("subscription_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("statement_id", Text, nullable=False),
    Column("rating_hash", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("total_exact", Text, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("lines_sha256", Text, nullable=False),
    Column("tax_treatment", Text, nullable=False, server_default="none"),
    Column("tax_minor", BigInteger, server_default=text("0"), comment="null: Stripe's to work out"),
    Column("tax_text", Text, comment="stands on the invoice"),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("number", Text),
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("stripe_invoice_id", Text, unique=True),
    Column("stripe_status", Text),
    Column("stripe_total_minor", BigInteger),
    Column("stripe_tax_minor", BigInteger),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint(
        "vendor_id",
        "mode",
        "tenant_id",
        "subscription_id",
        "kind",
        "sequence",
        "period_start",
        "revision",
        name="uq_invoice_key_parts",
    ),
    UniqueConstraint("vendor_id", "mode", "number"),
    CheckConstraint("mode in ('test', 'live')", name="mode"),
    CheckConstraint(
        "state in ('draft', 'approved', 'issued', 'sent', 'paid', 'uncollectible', 'void', "
        "'parked')",
        name="state",
    ),
    Index(
        "ix_invoice_to_sync",
        "next_attempt_at",
        postgresql_where=text("state in ('draft', 'approved', 'issued')"),
    ),
)


def _line() -> list[Column[Any]]:
    """Return what a line says, as it is stated and as it is sent."""
    return [
        *_owner(),
        Column("invoice_id", Text, primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("line_key", Text, nullable=False),
        Column("charge", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("quantity", Text, nullable=False),
        Column("unit", Text, nullable=False),
        Column("amount_exact", Text, nullable=False),
        Column("amount_minor", BigInteger, nullable=False),
        Column("stripe_amount", BigInteger, nullable=False),
        Column("period_start", Date, comment="null: as the invoice's"),
        Column("period_end", Date, comment="exclusive; null: as the invoice's"),
        Column("taxes", JSONB, nullable=False, server_default=text("'[]'"), comment="sent with it"),
    ]


invoice_line = Table(
    "invoice_line",
    metadata,
    *_line(),
    Column(
        "steps", JSONB, nullable=False, server_default=text("'[]'"), comment="how it came about"
    ),
    Column("sent_key", Text, comment="key of the sent line that stands for it; null: itself"),
    UniqueConstraint("invoice_id", "line_key"),
)

invoice_sent_line = Table(
    "invoice_sent_line",
    metadata,
    *_line(),
    UniqueConstraint("invoice_id", "line_key"),
    comment="what goes to Stripe instead of the lines, where there are too many of them",
)

invoice_line_detail = Table(
    "invoice_line_detail",
    metadata,
    *_owner(),
    Column("invoice_id", Text, primary_key=True),
    Column("line_position", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("usage_day", Date, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("amount_exact", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
)

invoice_state_change = Table(
    "invoice_state_change",
    metadata,
    *_owner(),
    Column("invoice_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

invoice_coupon = Table(
    "invoice_coupon",
    metadata,
    *_owner(),
    Column("coupon_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("percent", Text, comment="0 to 100, exact; or an amount"),
    Column("amount", Text, comment="major units, exact; or a percentage"),
    Column("currency", Text, comment="of an amount"),
    Column("applies_to", ARRAY(Text), comment="charges; null: all"),
    Column("first_period", Date, nullable=False, comment="invoices of periods from this day on"),
    Column("last_period", Date, comment="the last day that such a period begins on; null: open"),
    Column("invoices_max", Integer, comment="on so many invoices that are not void; null: any"),
    Column("created_by", Text, nullable=False, comment="the API key"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("ended_by", Text),
    Column("ended_at", DateTime(timezone=True), comment="not on invoices drafted afterwards"),
    CheckConstraint("(percent is null) <> (amount is null)", name="one_value"),
    CheckConstraint("(amount is null) = (currency is null)", name="amount_has_currency"),
    comment="what is taken off a tenant's invoices; never changed, only ended",
)

carry_over = Table(
    "carry_over",
    metadata,
    *_owner(primary_key=False),
    Column("carry_over_id", Text, primary_key=True, comment="the invoice that left it"),
    Column("of_invoice_id", Text, comment="whose period it is of; null: of the one that left it"),
    Column("currency", Text, nullable=False),
    Column("amount_exact", Text, nullable=False, comment="below zero: owed to the tenant"),
    Column("amount_minor", BigInteger, nullable=False),
    Column("taxable_exact", Text, comment="what of it is not taxed yet; null: the amount"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("into_invoice_id", Text, comment="the invoice that took it; null again if that is void"),
    Column("settled_as", Text),
    Column("settled_reason", Text),
    Column("settled_by", Text, comment="the API key"),
    Column("settled_at", DateTime(timezone=True)),
    CheckConstraint("settled_as in ('paid_out', 'written_off')", name="settled_as"),
    CheckConstraint("into_invoice_id is null or settled_at is null", name="gone_once"),
    Index(
        "ix_carry_over_open",
        *("vendor_id", "mode", "tenant_id", "currency"),
        postgresql_where=text("into_invoice_id is null and settled_at is null"),
    ),
    Index("ix_carry_over_into", "into_invoice_id"),
    comment="what an invoice left to the tenant's next one",
)

invoice_sequence = Table(
    "invoice_sequence",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("last_position", BigInteger, nullable=False),
)

document_locale = Table(
    "document_locale",
    metadata,
    *_owner(),
    Column("locale", Text, nullable=False),
    comment="how documents are written; the tenant '' stands for the vendor itself",
)

stripe_account = Table(
    "stripe_account",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("api_key_last4", Text, nullable=False),
    Column("webhook_secrets_last4", ARRAY(Text), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

stripe_customer = Table(
    "stripe_customer",
    metadata,
    *_owner(),
    Column("stripe_customer_id", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

stripe_job = Table(
    "stripe_job",
    metadata,
    *_owner(),
    Column("material", Text, primary_key=True),
    Column("step", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_attempted_at", DateTime(timezone=True), nullable=False),
    Column("response_id", Text),
    CheckConstraint("state in ('pending', 'done', 'abandoned')", name="state"),
    Index("ix_stripe_job_target", "vendor_id", "mode", "target"),
)

webhook_inbox = Table(
    "webhook_inbox",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("stripe_invoice_id", Text),
    Column("payload", LargeBinary, nullable=False),
    Column("signed_at", DateTime(timezone=True), comment="of the newest delivery"),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("processed_at", DateTime(timezone=True)),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Index(
        "ix_webhook_inbox_pending", "next_attempt_at", postgresql_where=text("processed_at is null")
    ),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("stored_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
