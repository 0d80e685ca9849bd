"""Who holds seats, usage by user read by its days, and late usage by what is booked since."""

import sqlalchemy as sa
from alembic import op

revision = "a41c7e90d256"
down_revision = "9a4c2e71d5b8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seat_assignment",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column(
            "position",
            sa.BigInteger(),
            nullable=False,
            comment="1 for the first one, counting up",
        ),
        sa.Column("user", sa.Text(), nullable=False, comment="as events name who used something"),
        sa.Column(
            "seat_class",
            sa.Text(),
            nullable=True,
            comment="empty: seats are not told apart; null: holds none",
        ),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("until_day", sa.Date(), nullable=True, comment="inclusive; null: open"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "until_day is null or until_day >= from_day", name=op.f("ck_seat_assignment_days")
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id",
            "mode",
            "subscription_id",
            "position",
            name=op.f("pk_seat_assignment"),
        ),
        schema="pricing",
    )
    for name, event in (("is_immutable", "update or delete"), ("is_kept", "truncate")):
        each = "row" if name == "is_immutable" else "statement"
        op.execute(
            f"create trigger seat_assignment_{name} before {event} on pricing.seat_assignment "
            f"for each {each} execute function pricing.refuse_change()"
        )
    op.create_index(
        "ix_usage_daily_by_user_usage_day",
        "usage_daily_by_user",
        ["vendor_id", "mode", "tenant_id", "usage_day", "booked_day"],
        schema="pricing",
    )
    # What came since a rating is asked for, of whichever day: a level has no first one.
    op.drop_index("ix_usage_daily_late", table_name="usage_daily", schema="pricing")
    op.create_index(
        "ix_usage_daily_late",
        "usage_daily",
        ["vendor_id", "mode", "tenant_id", "booked_day", "usage_day"],
        schema="pricing",
        postgresql_where=sa.text("usage_day < booked_day"),
    )
