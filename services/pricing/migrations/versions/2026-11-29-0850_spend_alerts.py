"""Amounts of spend that are told when a period's usage comes to them."""

import sqlalchemy as sa
from alembic import op

revision = "c93d5a0e71f8"
down_revision = "4e8d17b3c06f"
branch_labels = None
depends_on = None

KEY = ("vendor_id", "mode", "subscription_id")


def texts(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def sequence() -> sa.Column:
    comment = "of the period that was open"
    return sa.Column("sequence", sa.Integer(), nullable=False, comment=comment)


def upgrade() -> None:
    op.create_table(
        "spend_alert",
        *texts(*KEY, "amount_exact"),
        sa.PrimaryKeyConstraint(*KEY, "amount_exact", name=op.f("pk_spend_alert")),
        schema="pricing",
    )
    op.create_table(
        "spend_alert_look",
        *texts(*KEY),
        sequence(),
        sa.Column(
            "changes", sa.BigInteger(), nullable=False, comment="of the usage that was looked at"
        ),
        sa.PrimaryKeyConstraint(*KEY, name=op.f("pk_spend_alert_look")),
        schema="pricing",
    )
    op.create_table(
        "spend_alert_told",
        *texts(*KEY),
        sequence(),
        *texts("amount_exact"),
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(*KEY, "sequence", "amount_exact", name=op.f("pk_spend_alert_told")),
        schema="pricing",
    )


def downgrade() -> None:
    for table in ("spend_alert_told", "spend_alert_look", "spend_alert"):
        op.drop_table(table, schema="pricing")
