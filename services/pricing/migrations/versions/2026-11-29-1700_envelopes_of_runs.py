"""Envelopes of runs count what their runs used: up to when it is known, and what is noted."""

import sqlalchemy as sa
from alembic import op

revision = "e7d21f6c08ba"
down_revision = "c40e7b1f96d2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_feed",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("vendor_id", "mode", "tenant_id")
        ),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False, comment="messages that came"),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "tenant_id", name=op.f("pk_run_feed")),
        schema="pricing",
    )
    op.add_column(
        "envelope_look",
        sa.Column("run_watermark", sa.DateTime(timezone=True), nullable=True),
        schema="pricing",
    )


def downgrade() -> None:
    op.drop_column("envelope_look", "run_watermark", schema="pricing")
    op.drop_table("run_feed", schema="pricing")
