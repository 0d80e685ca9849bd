"""Values of meters that do not add up: questions, final answers, live values."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "9a4c2e71d5b8"
down_revision = "e7a25c0d9f13"
branch_labels = None
depends_on = None

DAYS = ("vendor_id", "mode", "tenant_id", "kind", "period_start", "period_end")


def days() -> list[sa.Column]:
    return [
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="meter:<name>@<version>"),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False, comment="exclusive"),
    ]


def booked_before() -> sa.Column:
    return sa.Column(
        "booked_before",
        sa.Date(),
        nullable=False,
        comment="what is booked later is not in it: the period's end, or that of a later one",
    )


def instant(name: str) -> sa.Column:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "meter_question",
        *days(),
        booked_before(),
        instant("first_asked_at"),
        instant("asked_at"),
        sa.PrimaryKeyConstraint(*DAYS, "booked_before", name=op.f("pk_meter_question")),
        schema="pricing",
    )
    op.create_table(
        "meter_value",
        *days(),
        booked_before(),
        sa.Column("value", sa.Text(), nullable=False, comment="exact: a plain decimal, or n/d"),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column(
            "offsets",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="sealed, by partition of usage.recorded",
        ),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        instant("created_at"),
        sa.PrimaryKeyConstraint(*DAYS, "booked_before", name=op.f("pk_meter_value")),
        schema="pricing",
    )
    op.create_table(
        "live_meter",
        *days(),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "value", sa.Text(), nullable=True, comment="provisional; null until the first answer"
        ),
        sa.Column("events", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(*DAYS, name=op.f("pk_live_meter")),
        schema="pricing",
    )
    op.execute(
        "create trigger meter_value_is_immutable before update or delete on pricing.meter_value "
        "for each row execute function pricing.refuse_change()"
    )
    op.execute(
        "create trigger meter_value_is_kept before truncate on pricing.meter_value "
        "for each statement execute function pricing.refuse_change()"
    )
