"""Tables of credits in the schema `pricing`: wallets, grants and a double-entry ledger.

Grants, transactions and entries are never changed or deleted: triggers refuse it. A deferred
trigger refuses a transaction whose entries do not sum to zero.
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
    Numeric,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.pricing.tables import metadata


def _wallet_key(*, primary: bool) -> list[Column[str]]:
    names = ("vendor_id", "mode", "tenant_id", "currency")
    return [
        Column(name, Text, primary_key=primary or name in names[:2], nullable=False)
        for name in names
    ]


wallet = Table(
    "wallet",
    metadata,
    *_wallet_key(primary=True),
    Column("on_empty", Text, nullable=False, comment="overage or hard_stop"),
    Column("top_up_below", Text, comment="balance under which credits are bought; null: never"),
    Column("top_up_amount", Text),
    Column(
        "top_up_by",
        Text,
        nullable=False,
        server_default="grant",
        comment="grant: at once; order: once its invoice is paid",
    ),
    Column("low_balance", Text, comment="balance under which it is told; null: never"),
    CheckConstraint("on_empty in ('overage', 'hard_stop')", name="on_empty"),
    CheckConstraint("top_up_by in ('grant', 'order')", name="top_up_by"),
    CheckConstraint("(top_up_below is null) = (top_up_amount is null)", name="top_up"),
)

credit_grant = Table(
    "credit_grant",
    metadata,
    *_wallet_key(primary=False),
    Column("grant_id", Text, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    Column("content", JSONB, nullable=False, comment="the terms, amounts as exact text"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_credit_grant_wallet", "vendor_id", "mode", "tenant_id", "currency", "position"),
)

ledger_transaction = Table(
    "ledger_transaction",
    metadata,
    *_wallet_key(primary=False),
    Column("transaction_id", Text, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("booked_on", Date, nullable=False, comment="UTC day that the transaction is true for"),
    Column("reference", Text, nullable=False, comment="statement or grant that it is about"),
    Column("content", JSONB, nullable=False, comment="of a draw: what it was computed from"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("kind in ('grant', 'draw', 'return', 'expiry')", name="kind"),
    Index("ix_ledger_transaction_wallet", "vendor_id", "mode", "tenant_id", "currency", "position"),
    Index("ix_ledger_transaction_reference", "vendor_id", "mode", "reference"),
    Index(
        "uq_ledger_transaction_draw",
        "vendor_id",
        "mode",
        "reference",
        unique=True,
        postgresql_where=text("kind = 'draw'"),
    ),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("transaction_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("account", Text, nullable=False, comment="credits, funding, usage or breakage"),
    Column("grant_id", Text, nullable=False),
    Column("line_key", Text, nullable=False, comment="of a draw: the line that is paid"),
    # An amount is rational, since a third of a month is no decimal, and its digits have no bound.
    Column("numerator", Numeric, nullable=False),
    Column("denominator", Numeric, nullable=False),
    CheckConstraint(
        "denominator > 0 and scale(denominator) = 0 and scale(numerator) = 0", name="rational"
    ),
    CheckConstraint("account in ('credits', 'funding', 'usage', 'breakage')", name="account"),
    Index("ix_ledger_entry_grant", "vendor_id", "mode", "grant_id"),
)
