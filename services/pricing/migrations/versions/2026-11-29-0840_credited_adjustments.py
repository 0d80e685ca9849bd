"""Periods that turn out cheaper may be credited."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "f18c3d9e7a52"
down_revision = "b62f0e93d7a4"
branch_labels = None
depends_on = None

SCHEMA = "pricing"


def _text(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    _create_setting()
    op.create_table(
        "adjustment_credit",
        *_text("vendor_id", "mode", "adjustment_id", "tenant_id"),
        sa.Column(
            "statement_id", sa.Text(), nullable=False, comment="of the period that is cheaper now"
        ),
        *_text("subscription_id"),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column(
            "revision", sa.Integer(), nullable=False, comment="of the rating that it made the last"
        ),
        sa.Column("period_end", sa.Date(), nullable=False, comment="exclusive"),
        sa.Column("content", postgresql.JSONB(), nullable=False, comment="what invoicing is told"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "adjustment_id", name=op.f("pk_adjustment_credit")
        ),
        sa.UniqueConstraint(
            *("vendor_id", "mode", "subscription_id", "sequence", "revision"),
            name=op.f("uq_adjustment_credit_rating"),
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_adjustment_credit_statement",
        "adjustment_credit",
        ["vendor_id", "mode", "statement_id"],
        schema=SCHEMA,
    )
    op.execute(
        "create trigger adjustment_credit_is_immutable before update or delete on "
        "pricing.adjustment_credit for each row execute function pricing.refuse_change()"
    )
    op.alter_column(
        "period_rating",
        "statement_id",
        comment="on which its difference stands, or the adjustment that credits it",
        existing_comment="on which its difference stands",
        schema=SCHEMA,
    )


def _create_setting() -> None:
    op.create_table(
        "adjustment_setting",
        *_text("vendor_id", "mode"),
        sa.Column(
            "tenant_id", sa.Text(), nullable=False, comment="'' stands for the vendor itself"
        ),
        *_text("negative_adjustments"),
        sa.Column("settlement", sa.Text(), nullable=False, comment="of what is paid already"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "negative_adjustments in ('next_statement', 'credit_note')",
            name=op.f("ck_adjustment_setting_negative_adjustments"),
        ),
        sa.CheckConstraint(
            "settlement in ('balance', 'refund', 'out_of_band')",
            name=op.f("ck_adjustment_setting_settlement"),
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", name=op.f("pk_adjustment_setting")
        ),
        schema=SCHEMA,
    )
