"""Cards of agents: who owns one, what it is for, and whether it is in use."""

import sqlalchemy as sa
from alembic import op

revision = "c40e7b1f96d2"
down_revision = "a93d5e0c71f4"
branch_labels = None
depends_on = None


def words(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def upgrade() -> None:
    op.create_table(
        "agent_card",
        *(words("vendor_id"), words("mode")),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        words("tenant_id", comment="empty: of every tenant without its own"),
        words("agent"),
        words("owner", nullable=True, comment="null: nobody"),
        words("team", nullable=True),
        words("status"),
        words("purpose", nullable=True),
        words("written_by", comment="id of the key"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "position", name=op.f("pk_agent_card")),
        schema="pricing",
    )
    columns = ["vendor_id", "mode", "agent", "tenant_id", "position"]
    op.create_index("ix_agent_card_agent", "agent_card", columns, schema="pricing")
    for rule, event in (("is_immutable", "update or delete"), ("is_kept", "truncate")):
        each = "row" if rule == "is_immutable" else "statement"
        op.execute(
            f"create trigger agent_card_{rule} before {event} on pricing.agent_card "
            f"for each {each} execute function pricing.refuse_change()"
        )


def downgrade() -> None:
    op.drop_table("agent_card", schema="pricing")
