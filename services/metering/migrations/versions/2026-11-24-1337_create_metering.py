"""Create metering."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "a57f715d3555"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "changed_day",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("usage_day", sa.Date(), nullable=False),
        sa.Column("booked_day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changed_day")),
        schema="metering",
    )
    op.create_index(
        "ix_changed_day_bucket", "changed_day", ["bucket", "id"], unique=False, schema="metering"
    )
    op.create_table(
        "consumer_offset",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("counted_through", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("next_offset >= 0", name=op.f("ck_consumer_offset_next_offset")),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_consumer_offset")),
        schema="metering",
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "counting_statistic",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("counted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "partition", name=op.f("pk_counting_statistic")
        ),
        schema="metering",
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "event_identity",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("usage_day", sa.Date(), nullable=False),
        sa.Column("booked_day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "event_id", name=op.f("pk_event_identity")
        ),
        schema="metering",
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=True),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
        schema="metering",
    )
    op.create_table(
        "pending_seal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_seal")),
        schema="metering",
    )
    op.create_index(
        "ix_pending_seal_bucket", "pending_seal", ["bucket", "id"], unique=False, schema="metering"
    )
    op.create_table(
        "publisher_bucket",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_publisher_bucket")),
        schema="metering",
    )
    op.create_table(
        "rejected",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("event", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "rejected_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("partition", "offset", "index", name=op.f("pk_rejected")),
        schema="metering",
    )
    op.create_index(
        "ix_rejected_identity",
        "rejected",
        ["vendor_id", "mode", "tenant_id", "event_id"],
        unique=False,
        schema="metering",
    )
    op.create_table(
        "rollup",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("booked_day", sa.Date(), nullable=False),
        sa.Column("row_key", sa.LargeBinary(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("context_band", sa.Text(), nullable=False),
        sa.Column("service_tier", sa.Text(), nullable=False),
        sa.Column("batch", sa.Boolean(), nullable=False),
        sa.Column("speed", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("usage_day", sa.Date(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("entry in ('usage', 'correction')", name=op.f("ck_rollup_entry")),
        sa.PrimaryKeyConstraint("partition", "booked_day", "row_key", name=op.f("pk_rollup")),
        schema="metering",
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_rollup_account_booked_day",
        "rollup",
        ["vendor_id", "mode", "booked_day", "tenant_id"],
        unique=False,
        schema="metering",
    )
    op.create_index(
        "ix_rollup_account_usage_day",
        "rollup",
        ["vendor_id", "mode", "tenant_id", "usage_day"],
        unique=False,
        schema="metering",
    )
    op.create_table(
        "seal",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("offsets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recount", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("recount in ('agreed', 'differs', 'off')", name=op.f("ck_seal_recount")),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "day", name=op.f("pk_seal")),
        schema="metering",
    )
    op.create_table(
        "user_rollup",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("booked_day", sa.Date(), nullable=False),
        sa.Column("row_key", sa.LargeBinary(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("usage_day", sa.Date(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("entry in ('usage', 'correction')", name=op.f("ck_user_rollup_entry")),
        sa.PrimaryKeyConstraint("partition", "booked_day", "row_key", name=op.f("pk_user_rollup")),
        schema="metering",
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_user_rollup_account_usage_day",
        "user_rollup",
        ["vendor_id", "mode", "tenant_id", "usage_day"],
        unique=False,
        schema="metering",
    )
    op.create_table(
        "vendor_seal",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("sealed_through", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "mode", name=op.f("pk_vendor_seal")),
        schema="metering",
    )
