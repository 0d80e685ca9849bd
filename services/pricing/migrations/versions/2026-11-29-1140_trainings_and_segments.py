"""Who was trained when, and which segments tenants belong to."""

import sqlalchemy as sa
from alembic import op

revision = "d7e20b94c1a8"
down_revision = "7a41c6d2be95"
branch_labels = None
depends_on = None


def log(name: str, *columns: sa.Column) -> None:
    op.create_table(
        name,
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        *columns,
        sa.Column(
            "written_by",
            sa.Text(),
            nullable=False,
            comment="id of the key, or who ran the command",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "position", name=op.f(f"pk_{name}")),
        schema="pricing",
    )
    for rule, event in (("is_immutable", "update or delete"), ("is_kept", "truncate")):
        each = "row" if rule == "is_immutable" else "statement"
        op.execute(
            f"create trigger {name}_{rule} before {event} on pricing.{name} "
            f"for each {each} execute function pricing.refuse_change()"
        )


def upgrade() -> None:
    log(
        "training",
        sa.Column("user", sa.Text(), nullable=False, comment="as events name who used something"),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column(
            "trained_on", sa.Date(), nullable=True, comment="null: was not trained after all"
        ),
    )
    log(
        "tenant_segment",
        sa.Column("segment", sa.Text(), nullable=True, comment="null: belongs to none"),
    )


def downgrade() -> None:
    for table in ("tenant_segment", "training"):
        op.drop_table(table, schema="pricing")
