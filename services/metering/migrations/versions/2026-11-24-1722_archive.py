"""The archive: its offsets, its manifest, and the outcome of each day's recount."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "c19872d2035d"
down_revision = "a0dfecdff291"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archive_file",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("first_offset", sa.BigInteger(), nullable=False),
        sa.Column("end_offset", sa.BigInteger(), nullable=False),
        sa.Column("usage_day", sa.Date(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("versions", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_archive_file")),
        schema="metering",
    )
    op.create_index(
        "ix_archive_file_position",
        "archive_file",
        ["partition", "first_offset"],
        unique=False,
        schema="metering",
    )
    op.create_index(
        "ix_archive_file_usage_day", "archive_file", ["usage_day"], unique=False, schema="metering"
    )
    op.create_table(
        "archive_offset",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("next_offset >= 0", name=op.f("ck_archive_offset_next_offset")),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_archive_offset")),
        schema="metering",
    )
    op.create_table(
        "day_verification",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("offsets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("differing_rows", sa.BigInteger(), nullable=False),
        sa.Column("differences", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_seconds", sa.Numeric(precision=12, scale=3), nullable=False),
        sa.CheckConstraint(
            "outcome in ('agreed', 'differs', 'off')", name=op.f("ck_day_verification_outcome")
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "day", name=op.f("pk_day_verification")),
        schema="metering",
    )
    op.create_index(
        "ix_seal_pending",
        "seal",
        ["sealed_at"],
        unique=False,
        schema="metering",
        postgresql_where=sa.text("recount = 'pending'"),
    )
    op.drop_constraint(op.f("ck_seal_recount"), "seal", schema="metering")
    op.create_check_constraint(
        op.f("ck_seal_recount"),
        "seal",
        "recount in ('agreed', 'differs', 'off', 'pending')",
        schema="metering",
    )
