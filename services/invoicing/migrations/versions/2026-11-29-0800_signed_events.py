"""When a delivery of a Stripe event was signed, so that the same request is not taken twice."""

import sqlalchemy as sa
from alembic import op

revision = "e91b6d37c5f0"
down_revision = "d83f1c6a40be"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "webhook_inbox",
        sa.Column("signed_at", sa.DateTime(timezone=True), comment="of the newest delivery"),
        schema="invoicing",
    )


def downgrade() -> None:
    op.drop_column("webhook_inbox", "signed_at", schema="invoicing")
