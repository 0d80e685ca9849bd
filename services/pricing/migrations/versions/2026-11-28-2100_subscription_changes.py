"""Changes of subscriptions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5d0f6a3c9b21"
down_revision = "8c41d7a0e5f2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("trial_days", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "phases",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column(
            "last_day",
            sa.Date(),
            nullable=True,
            comment="ends_on or, if earlier, the day before a cancellation",
        ),
        sa.Column(
            "changes",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="how many there are",
        ),
        sa.Column(
            "shares",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="whether the tenant has another one on some of the days",
        ),
    ):
        op.add_column("subscription", column, schema="pricing")
    op.execute("update pricing.subscription set last_day = ends_on")
    op.create_table(
        "subscription_change",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column(
            "position",
            sa.Integer(),
            nullable=False,
            comment="1 for the first change, counting up",
        ),
        sa.Column("change_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False, comment="first day on which it holds"),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id",
            "mode",
            "subscription_id",
            "position",
            name=op.f("pk_subscription_change"),
        ),
        sa.UniqueConstraint(
            "vendor_id",
            "mode",
            "subscription_id",
            "change_id",
            name=op.f("uq_subscription_change_vendor_id_mode_subscription_id_change_id"),
        ),
        schema="pricing",
    )
    op.execute(
        "create trigger subscription_change_is_immutable before update or delete "
        "on pricing.subscription_change for each row execute function pricing.refuse_change()"
    )
    op.execute(
        "create trigger subscription_change_is_kept before truncate "
        "on pricing.subscription_change for each statement execute function pricing.refuse_change()"
    )
