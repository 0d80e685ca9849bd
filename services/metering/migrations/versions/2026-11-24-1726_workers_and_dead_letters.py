"""workers_and_dead_letters"""

from alembic import op
import sqlalchemy as sa


revision = "124117d9a2a5"
down_revision = "c19872d2035d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dead_letter_action",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint(
            "action in ('replay', 'discard')", name=op.f("ck_dead_letter_action_action")
        ),
        sa.CheckConstraint(
            "result in ('queued', 'closed', 'refused')", name=op.f("ck_dead_letter_action_result")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter_action")),
        schema="metering",
    )
    op.create_index(
        "ix_dead_letter_action_position",
        "dead_letter_action",
        ["partition", "offset", "index"],
        unique=False,
        schema="metering",
    )
    op.create_table(
        "live_worker",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "worker_id", name=op.f("pk_live_worker")),
        schema="metering",
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "partition_lease",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_partition_lease")),
        schema="metering",
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "rejection_halt",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "halted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("accepted_below", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "offset", name=op.f("pk_rejection_halt")),
        schema="metering",
    )
