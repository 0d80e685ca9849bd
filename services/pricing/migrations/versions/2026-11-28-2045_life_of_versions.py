"""Retired versions, meters that exist, idempotency keys that end."""

from alembic import op
import sqlalchemy as sa

revision = "8c41d7a0e5f2"
down_revision = "507ee16f9882"
branch_labels = None
depends_on = None

# Of what was published, one thing may still be said: that nothing new starts on it.
REFUSE_VERSION_CHANGE = """
create function pricing.refuse_version_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.retired_at is null
     and to_jsonb(new) - 'retired_at' = to_jsonb(old) - 'retired_at' then
    return new;
  end if;
  raise exception '% is immutable: corrections are new rows', tg_table_name
    using errcode = 'restrict_violation';
end $$
"""


def upgrade() -> None:
    op.add_column(
        "price_version",
        sa.Column(
            "retired_at", sa.DateTime(timezone=True), comment="nothing new starts on it since"
        ),
        schema="pricing",
    )
    op.create_check_constraint(
        op.f("ck_price_version_retired"),
        "price_version",
        "retired_at is null or published_at is not null",
        schema="pricing",
    )
    op.execute(REFUSE_VERSION_CHANGE)
    op.execute("drop trigger price_version_is_immutable on pricing.price_version")
    op.execute(
        "create trigger price_version_is_immutable before update or delete"
        " on pricing.price_version for each row when (old.published_at is not null)"
        " execute function pricing.refuse_version_change()"
    )
    op.create_table(
        "known_meter",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_additive", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "name", "version", name=op.f("pk_known_meter")
        ),
        schema="pricing",
    )
    op.create_index(
        op.f("ix_idempotency_key_created_at"), "idempotency_key", ["created_at"], schema="pricing"
    )
    op.execute("drop trigger idempotency_key_is_immutable on pricing.idempotency_key")
    op.execute(
        "create trigger idempotency_key_is_immutable before update on pricing.idempotency_key"
        " for each row execute function pricing.refuse_change()"
    )
    op.execute(
        "create trigger idempotency_key_is_kept_for_a_time before delete"
        " on pricing.idempotency_key"
        " for each row when (old.created_at > now() - interval '30 days')"
        " execute function pricing.refuse_change()"
    )
