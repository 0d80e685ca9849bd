"""Simulations: plans over past usage, in a second process."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7a41c6d2be95"
down_revision = "c93d5a0e71f8"
branch_labels = None
depends_on = None

KEY = ("vendor_id", "mode", "simulation_id")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "simulation",
        *(sa.Column(name, sa.Text(), nullable=False) for name in KEY),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("result", postgresql.JSONB(), comment="once it is done"),
        sa.Column("failure", postgresql.JSONB(), comment="why it failed: code and message"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
        sa.CheckConstraint(
            "state in ('queued', 'running', 'done', 'failed')", name=op.f("ck_simulation_state")
        ),
        sa.CheckConstraint(
            "(state = 'done') = (result is not null)", name=op.f("ck_simulation_result")
        ),
        sa.PrimaryKeyConstraint(*KEY, name=op.f("pk_simulation")),
        schema="pricing",
    )
    op.create_index(
        "ix_simulation_waiting",
        "simulation",
        ["created_at"],
        schema="pricing",
        postgresql_where=sa.text("state in ('queued', 'running')"),
    )


def downgrade() -> None:
    op.drop_table("simulation", schema="pricing")
