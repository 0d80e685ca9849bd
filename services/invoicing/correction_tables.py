"""Tables of what happens to an invoice after its statement: approval, payments, corrections."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.invoicing.tables import metadata


def _owner(*keys: str) -> list[Column[Any]]:
    names = ("vendor_id", "mode", "tenant_id", *keys)
    return [Column(name, Text, primary_key=True) for name in names]


def _account(*keys: str) -> list[Column[Any]]:
    return [Column(name, Text, primary_key=True) for name in ("vendor_id", "mode", *keys)]


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _retries() -> list[Column[Any]]:
    return [
        Column("failures", Integer, nullable=False, server_default=text("0")),
        _time("next_attempt_at"),
        _time("created_at"),
    ]


invoice_standing = Table(
    "invoice_standing",
    metadata,
    *_owner("invoice_id"),
    Column("paid_minor", BigInteger, nullable=False),
    Column("remaining_minor", BigInteger, nullable=False),
    Column("refunded_minor", BigInteger, nullable=False),
    _time("due_at", nullable=True),
    Column("facts", JSONB, nullable=False, comment="fact -> reason or null"),
    Column("waits", Boolean, nullable=False, comment="whether a fact waits for a person"),
    _time("observed_at"),
    Index("ix_invoice_standing_waiting", "vendor_id", "mode", postgresql_where=text("waits")),
    comment="what Stripe said of payments when it was asked last",
)

invoice_action = Table(
    "invoice_action",
    metadata,
    *_owner("invoice_id", "action"),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    *_retries(),
    CheckConstraint("action in ('void', 'mark_uncollectible', 'revise')", name="action"),
    CheckConstraint("state in ('pending', 'done', 'refused')", name="state"),
    Index("ix_invoice_action_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    comment="what a person ordered for an issued invoice",
)

credit_note = Table(
    "credit_note",
    metadata,
    *_owner("credit_note_id"),
    Column("invoice_id", Text, nullable=False),
    Column("number", Text),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("scope", Text, nullable=False),
    Column("settlement", Text, nullable=False),
    Column("stripe_reason", Text),
    Column("memo", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("net_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("pre_payment_minor", BigInteger),
    Column("post_payment_minor", BigInteger),
    Column("stripe_credit_note_id", Text, unique=True),
    *_retries(),
    UniqueConstraint("vendor_id", "mode", "number"),
    CheckConstraint(
        "state in ('pending', 'approved', 'issued', 'parked', 'cancelled')", name="state"
    ),
    Index("ix_credit_note_invoice", "vendor_id", "mode", "invoice_id"),
    Index(
        "ix_credit_note_due",
        "next_attempt_at",
        postgresql_where=text("state in ('pending', 'approved')"),
    ),
)

credit_note_line = Table(
    "credit_note_line",
    metadata,
    *_owner("credit_note_id"),
    Column("position", Integer, primary_key=True),
    Column("line_key", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
)

credit_note_change = Table(
    "credit_note_change",
    metadata,
    *_owner("credit_note_id"),
    Column("position", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    _time("changed_at"),
)

credit_note_sequence = Table(
    "credit_note_sequence",
    metadata,
    *_account(),
    Column("last_position", BigInteger, nullable=False),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    *_account("key"),
    Column("request_hash", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    _time("created_at"),
    comment="what was made under a caller's key",
)

billing_setting = Table(
    "billing_setting",
    metadata,
    *_account(),
    Column("grace_seconds", Integer, nullable=False),
    Column("approval", Boolean, nullable=False),
    _time("updated_at"),
    comment="what drafts of a vendor wait for",
)

invoice_hold = Table(
    "invoice_hold",
    metadata,
    *_owner("invoice_id"),
    _time("until"),
    Column("approval", Boolean, nullable=False),
    _time("released_at", nullable=True),
    Column("released_by", Text, comment="id of the API key"),
)
