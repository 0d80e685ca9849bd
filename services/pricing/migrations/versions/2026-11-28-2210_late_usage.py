"""Ratings of closed periods, and late usage found without a look at the rest."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "c3d1f0a7b482"
down_revision = "5d0f6a3c9b21"
branch_labels = None
depends_on = None

DAYS = ["vendor_id", "mode", "tenant_id", "usage_day", "booked_day"]


def upgrade() -> None:
    op.create_table(
        "period_rating",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="of the period that was rated"),
        sa.Column(
            "revision", sa.Integer(), nullable=False, comment="0: at first; the highest is the last"
        ),
        sa.Column(
            "statement_id", sa.Text(), nullable=False, comment="on which its difference stands"
        ),
        sa.Column(
            "booked_before", sa.Date(), nullable=False, comment="usage booked up to there is in it"
        ),
        sa.Column("input_hash", sa.Text(), nullable=False),
        sa.Column("rating_hash", sa.Text(), nullable=False),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="lines, unrated, unpriced, cost",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            *("vendor_id", "mode", "subscription_id", "sequence", "revision"),
            name=op.f("pk_period_rating"),
        ),
        schema="pricing",
    )
    op.execute(
        "create trigger period_rating_is_immutable before update or delete on "
        "pricing.period_rating for each row execute function pricing.refuse_change()"
    )
    op.execute(
        "create trigger period_rating_is_kept before truncate on pricing.period_rating "
        "for each statement execute function pricing.refuse_change()"
    )
    op.create_index("ix_usage_daily_usage_day", "usage_daily", DAYS, schema="pricing")
    op.create_index(
        "ix_usage_daily_late",
        "usage_daily",
        DAYS,
        schema="pricing",
        postgresql_where=sa.text("usage_day < booked_day"),
    )
