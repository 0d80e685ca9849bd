"""Tables of what happens to an invoice after its statement: approval, payments, corrections."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
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
