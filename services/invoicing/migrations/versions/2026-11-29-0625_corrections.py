"""What becomes of an issued invoice: how its payments stand."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d83f1c6a40be"
down_revision = "c51e0b7d2f64"
branch_labels = None
depends_on = None

SCHEMA = "invoicing"


def _key(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in ("vendor_id", "mode", *names)]


def _time(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    _create_standing()


def _create_standing() -> None:
    op.create_table(
        "invoice_standing",
        *_key("tenant_id", "invoice_id"),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("remaining_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        _time("due_at", nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False, comment="fact -> reason or null"),
        sa.Column(
            "waits", sa.Boolean(), nullable=False, comment="whether a fact waits for a person"
        ),
        _time("observed_at"),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "invoice_id", name=op.f("pk_invoice_standing")
        ),
        schema=SCHEMA,
        comment="what Stripe said of payments when it was asked last",
    )
    op.create_index(
        "ix_invoice_standing_waiting",
        "invoice_standing",
        ["vendor_id", "mode"],
        schema=SCHEMA,
        postgresql_where=sa.text("waits"),
    )
