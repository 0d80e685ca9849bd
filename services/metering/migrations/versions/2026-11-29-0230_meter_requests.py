"""Questions of pricing for values of meters, and values that take up what came late."""

from alembic import op
import sqlalchemy as sa

revision = "2b6e0d94c7a1"
down_revision = "8f3a1c5be207"
branch_labels = None
depends_on = None

KEYS = ["meter_id", "tenant_id", "period_start", "period_end", "booked_before"]


def upgrade() -> None:
    op.add_column("meter_value", sa.Column("booked_before", sa.Date()), schema="metering")
    # Values so far are of what was booked by the period's end. The guard is for corrections.
    op.execute("alter table metering.meter_value disable trigger meter_value_is_immutable")
    op.execute("update metering.meter_value set booked_before = period_end")
    op.execute("alter table metering.meter_value enable trigger meter_value_is_immutable")
    op.alter_column("meter_value", "booked_before", nullable=False, schema="metering")
    op.drop_constraint(op.f("pk_meter_value"), "meter_value", schema="metering")
    op.create_primary_key(op.f("pk_meter_value"), "meter_value", KEYS, schema="metering")
    op.create_table(
        "meter_request",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("booked_before", sa.Date(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_meter_request")),
        schema="metering",
    )
    op.create_index(
        "ix_meter_request_next", "meter_request", ["next_attempt_at"], schema="metering"
    )
    op.create_index(
        "ix_meter_request_tenant",
        "meter_request",
        ["vendor_id", "mode", "tenant_id"],
        schema="metering",
    )
