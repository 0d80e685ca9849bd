"""Runs are published: by everything that a cost depends on, outcomes by who says so.

What was counted before keeps its sums; nobody knows any more on what it ran, or who told of it.
"""

from alembic import op
import sqlalchemy as sa

revision = "c41d7a90b3e6"
down_revision = "2b6e0d94c7a1"
branch_labels = None
depends_on = None

ROOM = {"fillfactor": "45"}


def upgrade() -> None:
    op.add_column(
        "run_rollup",
        sa.Column("agent_version", sa.Text(), nullable=False, server_default=""),
        schema="metering",
    )
    op.alter_column("run_rollup", "agent_version", server_default=None, schema="metering")
    _create_sums()
    op.execute(
        """
        insert into metering.run_usage
        select s.partition, s.row_key, decode(md5(s.name), 'hex'), '', '', s.name, 'unknown', '',
            false, '', '', 'production', false, date(r.first_at at time zone 'UTC'), s.quantity, s.events
        from metering.run_sum s join metering.run_rollup r using (partition, row_key)
        where s.subject = 'kind'
        """
    )
    op.execute(
        """
        insert into metering.run_outcome
        select partition, row_key, name, '', quantity, events from metering.run_sum
        where subject = 'outcome'
        """
    )
    op.drop_table("run_sum", schema="metering")
    _name_topics()


def _create_sums() -> None:
    op.create_table(
        "run_usage",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("row_key", sa.LargeBinary(), nullable=False),
        sa.Column("usage_key", sa.LargeBinary(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("provider", "model", "kind", "context_band", "service_tier")
        ),
        sa.Column("batch", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("speed", "region", "purpose")),
        sa.Column("is_retry", sa.Boolean(), nullable=False),
        sa.Column("usage_day", sa.Date(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "row_key", "usage_key", name=op.f("pk_run_usage")),
        schema="metering",
        postgresql_with=ROOM,
    )
    op.create_table(
        "run_outcome",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("row_key", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "partition", "row_key", "name", "source", name=op.f("pk_run_outcome")
        ),
        schema="metering",
        postgresql_with=ROOM,
    )
    op.create_table(
        "changed_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("vendor_id", "mode", "tenant_id", "run_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changed_run")),
        schema="metering",
    )
    op.create_index("ix_changed_run_bucket", "changed_run", ["bucket", "id"], schema="metering")


def _name_topics() -> None:
    op.add_column(
        "publisher_bucket",
        sa.Column("topic", sa.Text(), nullable=False, server_default="usage.aggregated"),
        schema="metering",
    )
    op.alter_column("publisher_bucket", "topic", server_default=None, schema="metering")
    op.drop_constraint(op.f("pk_publisher_bucket"), "publisher_bucket", schema="metering")
    op.create_primary_key(
        op.f("pk_publisher_bucket"), "publisher_bucket", ["topic", "bucket"], schema="metering"
    )


def downgrade() -> None:
    op.execute("delete from metering.publisher_bucket where topic <> 'usage.aggregated'")
    op.drop_constraint(op.f("pk_publisher_bucket"), "publisher_bucket", schema="metering")
    op.drop_column("publisher_bucket", "topic", schema="metering")
    op.create_primary_key(
        op.f("pk_publisher_bucket"), "publisher_bucket", ["bucket"], schema="metering"
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
        postgresql_with=ROOM,
    )
    op.execute(
        """
        insert into metering.run_sum
        select partition, row_key, 'kind', kind, sum(quantity), sum(events)
        from metering.run_usage group by 1, 2, 4
        union all
        select partition, row_key, 'outcome', name, sum(value), sum(events)
        from metering.run_outcome group by 1, 2, 4
        """
    )
    for table in ("changed_run", "run_outcome", "run_usage"):
        op.drop_table(table, schema="metering")
    op.drop_column("run_rollup", "agent_version", schema="metering")
