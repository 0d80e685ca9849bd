"""Create pricing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b07b251bf93a"
down_revision = None
branch_labels = None
depends_on = None


# What was published or stated is never changed, whoever connects; a draft may be.
GUARDED = {"price_version": "when (old.published_at is not null)", "statement": ""}

REFUSE_CHANGE = """
create function pricing.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is immutable: corrections are new rows', tg_table_name
    using errcode = 'restrict_violation';
end $$
"""


def upgrade() -> None:
    op.execute(REFUSE_CHANGE)
    op.create_table(
        "dead_letter",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("topic_partition", sa.Integer(), nullable=False),
        sa.Column("topic_offset", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "topic", "topic_partition", "topic_offset", name=op.f("pk_dead_letter")
        ),
        schema="pricing",
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
        schema="pricing",
    )
    op.create_table(
        "parked_tenant",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expected", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("found", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "day", name=op.f("pk_parked_tenant")
        ),
        schema="pricing",
    )
    op.create_table(
        "price_book",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "book", name=op.f("pk_price_book")),
        schema="pricing",
    )
    op.create_table(
        "price_version",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column(
            "effective_on", sa.Date(), nullable=True, comment="null while the version is a draft"
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(effective_on is null) = (published_at is null)",
            name=op.f("ck_price_version_published"),
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_price_version_version")),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "book", "version", name=op.f("pk_price_version")
        ),
        schema="pricing",
    )
    op.create_table(
        "seal_part",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("topic_partition", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("tenants", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id",
            "mode",
            "topic_partition",
            "day",
            "version",
            "part",
            name=op.f("pk_seal_part"),
        ),
        schema="pricing",
    )
    op.create_table(
        "sealed_day",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("topic_partition", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("recount", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "topic_partition", "day", name=op.f("pk_sealed_day")
        ),
        schema="pricing",
    )
    op.create_table(
        "sealed_through",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("topic_partition", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "topic_partition", name=op.f("pk_sealed_through")
        ),
        schema="pricing",
    )
    op.create_table(
        "statement",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("statement_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False, comment="exclusive"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price_book", sa.Text(), nullable=False),
        sa.Column("price_version", sa.Integer(), nullable=False),
        sa.Column("total_exact", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.Text(), nullable=False),
        sa.Column("rating_hash", sa.Text(), nullable=False),
        sa.Column(
            "unrated",
            sa.Boolean(),
            nullable=False,
            comment="whether usage is left that no charge claims",
        ),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "statement_id", name=op.f("pk_statement")),
        sa.UniqueConstraint(
            "vendor_id",
            "mode",
            "subscription_id",
            "sequence",
            name=op.f("uq_statement_vendor_id_mode_subscription_id_sequence"),
        ),
        schema="pricing",
    )
    op.create_index(
        "ix_statement_price_book",
        "statement",
        ["vendor_id", "mode", "price_book", "period_end"],
        unique=False,
        schema="pricing",
    )
    op.create_index(
        "ix_statement_tenant",
        "statement",
        ["vendor_id", "mode", "tenant_id", "position"],
        unique=False,
        schema="pricing",
    )
    op.create_table(
        "subscription",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("price_book", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("anchor_day", sa.Integer(), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True, comment="last day, inclusive"),
        sa.Column("topic_partition", sa.Integer(), nullable=False, comment="of usage.aggregated"),
        sa.Column(
            "next_sequence",
            sa.Integer(),
            nullable=False,
            comment="of the first period not yet rated",
        ),
        sa.Column(
            "next_start", sa.Date(), nullable=True, comment="null when the last period is rated"
        ),
        sa.Column("next_end", sa.Date(), nullable=True, comment="exclusive"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "subscription_id", name=op.f("pk_subscription")
        ),
        schema="pricing",
    )
    op.create_index(
        "ix_subscription_due",
        "subscription",
        ["vendor_id", "mode", "topic_partition", "next_end"],
        unique=False,
        schema="pricing",
    )
    op.create_index(
        "ix_subscription_tenant",
        "subscription",
        ["vendor_id", "mode", "tenant_id"],
        unique=False,
        schema="pricing",
    )
    op.create_table(
        "usage_daily",
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
        sa.Column("booked_day", sa.Date(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id",
            "mode",
            "tenant_id",
            "provider",
            "agent",
            "model",
            "kind",
            "context_band",
            "service_tier",
            "batch",
            "speed",
            "region",
            "purpose",
            "status",
            "usage_day",
            "booked_day",
            "entry",
            name=op.f("pk_usage_daily"),
        ),
        schema="pricing",
    )
    op.create_index(
        "ix_usage_daily_booked_day",
        "usage_daily",
        ["vendor_id", "mode", "booked_day"],
        unique=False,
        schema="pricing",
    )
    op.create_table(
        "usage_daily_by_user",
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
        sa.Column("booked_day", sa.Date(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id",
            "mode",
            "tenant_id",
            "team",
            "user",
            "agent",
            "model",
            "purpose",
            "kind",
            "usage_day",
            "booked_day",
            "entry",
            name=op.f("pk_usage_daily_by_user"),
        ),
        schema="pricing",
    )
    op.create_table(
        "usage_watermark",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "tenant_id", name=op.f("pk_usage_watermark")),
        schema="pricing",
    )
    for table, condition in GUARDED.items():
        op.execute(
            f"create trigger {table}_is_immutable before update or delete on pricing.{table} "
            f"for each row {condition} execute function pricing.refuse_change()"
        )
        op.execute(
            f"create trigger {table}_is_kept before truncate on pricing.{table} "
            "for each statement execute function pricing.refuse_change()"
        )
