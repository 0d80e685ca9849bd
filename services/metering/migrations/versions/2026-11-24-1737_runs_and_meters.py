"""runs_and_meters"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "f2522ec11372"
down_revision = "124117d9a2a5"
branch_labels = None
depends_on = None

REFUSE_CHANGE = """
create function metering.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is immutable: corrections are new rows', tg_table_name
    using errcode = 'restrict_violation';
end $$
"""
GUARDED = ("meter", "meter_value")


def upgrade() -> None:
    op.create_table(
        "meter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("is_additive", sa.Boolean(), nullable=False),
        sa.Column("live_from", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("ck_meter_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter")),
        sa.UniqueConstraint(
            "vendor_id",
            "mode",
            "name",
            "version",
            name=op.f("uq_meter_vendor_id_mode_name_version"),
        ),
        schema="metering",
    )
    op.create_table(
        "meter_backfill",
        sa.Column("meter_id", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("meter_id", name=op.f("pk_meter_backfill")),
        schema="metering",
    )
    op.create_table(
        "meter_value",
        sa.Column("meter_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("input_hash", sa.Text(), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "meter_id", "tenant_id", "period_start", "period_end", name=op.f("pk_meter_value")
        ),
        schema="metering",
    )
    op.create_table(
        "run_rollup",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("row_key", sa.LargeBinary(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("parent_run_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "row_key", name=op.f("pk_run_rollup")),
        schema="metering",
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_run_rollup_last_at", "run_rollup", ["last_at"], unique=False, schema="metering"
    )
    op.create_index(
        "ix_run_rollup_parent",
        "run_rollup",
        ["vendor_id", "mode", "tenant_id", "parent_run_id"],
        unique=False,
        schema="metering",
    )
    op.create_index(
        "ix_run_rollup_run",
        "run_rollup",
        ["vendor_id", "mode", "tenant_id", "run_id"],
        unique=False,
        schema="metering",
    )
    op.create_table(
        "run_sum",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("row_key", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("subject in ('kind', 'outcome')", name=op.f("ck_run_sum_subject")),
        sa.PrimaryKeyConstraint("partition", "row_key", "subject", "name", name=op.f("pk_run_sum")),
        schema="metering",
        postgresql_with={"fillfactor": "70"},
    )
    op.execute(REFUSE_CHANGE)
    for table in GUARDED:
        op.execute(
            f"create trigger {table}_is_immutable before update or delete on metering.{table} "
            "for each row execute function metering.refuse_change()"
        )
        op.execute(
            f"create trigger {table}_is_kept before truncate on metering.{table} "
            "for each statement execute function metering.refuse_change()"
        )
