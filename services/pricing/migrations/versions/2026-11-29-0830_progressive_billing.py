"""Usage that is invoiced within its period: thresholds, looks, statements, voids."""

import sqlalchemy as sa
from alembic import op

revision = "b62f0e93d7a4"
down_revision = "d40b1c7e92aa"
branch_labels = None
depends_on = None

KEPT = ("progressive_statement", "progressive_void")
THRESHOLDS = """content @> '{"plans": [{"progressive_thresholds": []}]}'"""
OWN_THRESHOLDS = """content @> '{"overrides": [{"set": {"progressive_thresholds": []}}]}'"""


def texts(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def created_at() -> sa.Column:
    now = sa.text("now()")
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False)


def upgrade() -> None:
    _widen()
    op.create_table(
        "progressive_look",
        *texts("vendor_id", "mode", "subscription_id"),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="of the period that was open"),
        sa.Column(
            "changes", sa.BigInteger(), nullable=False, comment="of the usage that was looked at"
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "subscription_id", name=op.f("pk_progressive_look")
        ),
        schema="pricing",
    )
    op.create_table(
        "progressive_statement",
        *texts("vendor_id", "mode", "subscription_id"),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="of the period that was open"),
        sa.Column(
            "threshold_exact", sa.Text(), nullable=False, comment="that the spend had reached"
        ),
        sa.Column("number", sa.Integer(), nullable=False, comment="1 for the subscription's first"),
        *texts("statement_id", "total_exact"),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=False),
        created_at(),
        sa.PrimaryKeyConstraint(
            *("vendor_id", "mode", "subscription_id", "sequence", "threshold_exact"),
            name=op.f("pk_progressive_statement"),
        ),
        sa.UniqueConstraint(
            *("vendor_id", "mode", "subscription_id", "number"),
            name=op.f("uq_progressive_statement_vendor_id_mode_subscription_id_number"),
        ),
        sa.UniqueConstraint(
            *("vendor_id", "mode", "statement_id"),
            name=op.f("uq_progressive_statement_vendor_id_mode_statement_id"),
        ),
        schema="pricing",
    )
    op.create_table(
        "progressive_void",
        *texts("vendor_id", "mode", "statement_id", "invoice_id"),
        created_at(),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "statement_id", name=op.f("pk_progressive_void")
        ),
        schema="pricing",
    )
    for table in KEPT:
        op.execute(
            f"create trigger {table}_is_immutable before update or delete on pricing.{table} "
            "for each row execute function pricing.refuse_change()"
        )
        op.execute(
            f"create trigger {table}_is_kept before truncate on pricing.{table} "
            "for each statement execute function pricing.refuse_change()"
        )


def _widen() -> None:
    op.add_column(
        "usage_watermark",
        sa.Column(
            "changes",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="messages of usage that came: another number, perhaps another bill",
        ),
        schema="pricing",
    )
    op.drop_constraint(op.f("ck_statement_kind"), "statement", schema="pricing")
    kinds = "kind in ('period', 'opening', 'progressive')"
    op.create_check_constraint(op.f("ck_statement_kind"), "statement", kinds, schema="pricing")
    for table, owner, condition in (
        ("price_version", "book", THRESHOLDS),
        ("subscription_change", "subscription_id", OWN_THRESHOLDS),
    ):
        op.create_index(
            f"ix_{table}_thresholds",
            table,
            ["vendor_id", "mode", owner],
            schema="pricing",
            postgresql_where=sa.text(condition),
        )
