"""What documents tell beyond the invoice: the steps of each line, and the locale to write in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c51e0b7d2f64"
down_revision = "c7d2e41f90ab"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "invoice_line",
        sa.Column(
            "steps",
            postgresql.JSONB(),
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="how it came about",
        ),
        schema="invoicing",
    )
    op.create_table(
        "document_locale",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "tenant_id", name=op.f("pk_document_locale")),
        schema="invoicing",
        comment="how documents are written; the tenant '' stands for the vendor itself",
    )
