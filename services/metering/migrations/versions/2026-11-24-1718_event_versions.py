"""event versions"""

from alembic import op
import sqlalchemy as sa

revision = "a0dfecdff291"
down_revision = "a57f715d3555"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Ids in the old form are not read any more: counting on would count re-sends twice.
    counted = op.get_bind().scalar(sa.text("select count(*) from metering.event_identity"))
    if counted:
        message = "this database has counted with an older form of ids: start with a new one"
        raise RuntimeError(message)
    op.create_table(
        "correction",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("tenant_number", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=False),
        sa.Column("is_correction", sa.Boolean(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Numeric(precision=20, scale=0), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state in ('waiting', 'applied', 'stale', 'conflict', 'corrects_duplicate')",
            name=op.f("ck_correction_state"),
        ),
        sa.PrimaryKeyConstraint("partition", "offset", "index", name=op.f("pk_correction")),
        schema="metering",
    )
    op.create_index(
        "ix_correction_event_id",
        "correction",
        ["tenant_number", "event_id"],
        unique=False,
        schema="metering",
    )
    op.create_index(
        "ix_correction_target",
        "correction",
        ["tenant_number", "target_id"],
        unique=False,
        schema="metering",
    )
    op.create_index(
        "ix_correction_waiting",
        "correction",
        ["partition"],
        unique=False,
        schema="metering",
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "identity_segment",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "bucket", "offset", name=op.f("pk_identity_segment")),
        schema="metering",
    )
    op.create_table(
        "natural_duplicate",
        sa.Column("tenant_number", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("owner_instrument", sa.Text(), nullable=False),
        sa.Column("owner_partition", sa.Integer(), nullable=False),
        sa.Column("owner_offset", sa.BigInteger(), nullable=False),
        sa.Column("owner_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_number", "event_id", name=op.f("pk_natural_duplicate")),
        schema="metering",
    )
    op.create_index(
        "ix_natural_duplicate_position",
        "natural_duplicate",
        ["partition", "offset", "index"],
        unique=False,
        schema="metering",
    )
    op.create_table(
        "natural_key",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_natural_key")),
        schema="metering",
    )
    op.create_table(
        "overlay",
        sa.Column("tenant_number", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Numeric(precision=20, scale=0), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("is_correction", sa.Boolean(), nullable=False),
        sa.Column("is_void", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_number", "event_id", name=op.f("pk_overlay")),
        schema="metering",
    )
    op.create_table(
        "plain_identity",
        sa.Column("tenant_number", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Numeric(precision=20, scale=0), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("usage_day", sa.Date(), nullable=False),
        sa.Column("booked_day", sa.Date(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_number", "event_id", name=op.f("pk_plain_identity")),
        schema="metering",
    )
    op.create_table(
        "tenant_number",
        sa.Column("number", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_tenant_number")),
        sa.UniqueConstraint(
            "vendor_id", "mode", "tenant_id", name=op.f("uq_tenant_number_vendor_id_mode_tenant_id")
        ),
        schema="metering",
    )
    op.drop_table("event_identity", schema="metering")
    op.add_column(
        "counting_statistic",
        sa.Column("stale", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        schema="metering",
    )
    op.add_column(
        "counting_statistic",
        sa.Column("corrections", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        schema="metering",
    )
    # The entries are packed already.
    op.execute("alter table metering.identity_segment alter column entries set storage external")
