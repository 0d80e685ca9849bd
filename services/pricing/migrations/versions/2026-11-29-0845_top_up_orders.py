"""Orders of credit: invoiced as statements of their own, granted when they are paid."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "4e8d17b3c06f"
down_revision = "f18c3d9e7a52"
branch_labels = None
depends_on = None

TABLES = ("top_up_order", "top_up_event")
KEY = ["subscription_id", "sequence", "kind"]


def texts(*names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=nullable) for name in names]


def created_at() -> sa.Column:
    now = sa.text("now()")
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False)


def upgrade() -> None:
    _widen()
    op.create_table(
        "top_up_order",
        *texts("vendor_id", "mode", "order_id", "tenant_id", "currency"),
        sa.Column("number", sa.Integer(), nullable=False, comment="1 for the tenant's first"),
        *texts("statement_id"),
        sa.Column("origin", sa.Text(), nullable=False, comment="ordered or automatic"),
        sa.Column("ordered_on", sa.Date(), nullable=False),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the order, amounts as exact text",
        ),
        created_at(),
        sa.CheckConstraint(
            "origin in ('ordered', 'automatic')", name=op.f("ck_top_up_order_origin")
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "order_id", name=op.f("pk_top_up_order")),
        sa.UniqueConstraint(
            *("vendor_id", "mode", "tenant_id", "number"),
            name=op.f("uq_top_up_order_vendor_id_mode_tenant_id_number"),
        ),
        sa.UniqueConstraint(
            *("vendor_id", "mode", "statement_id"),
            name=op.f("uq_top_up_order_vendor_id_mode_statement_id"),
        ),
        schema="pricing",
    )
    op.create_table(
        "top_up_event",
        *texts("vendor_id", "mode", "order_id"),
        sa.Column(
            "event",
            sa.Text(),
            nullable=False,
            comment="what became of its invoice, or: dismissed",
        ),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *texts("invoice_id", "invoice_key", "note", nullable=True),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        created_at(),
        sa.PrimaryKeyConstraint(
            *("vendor_id", "mode", "order_id", "event"), name=op.f("pk_top_up_event")
        ),
        schema="pricing",
    )
    op.create_index(
        "uq_top_up_event_paid",
        "top_up_event",
        ["vendor_id", "mode", "invoice_key"],
        unique=True,
        schema="pricing",
        postgresql_where=sa.text("event = 'paid'"),
    )
    for table in TABLES:
        op.execute(
            f"create trigger {table}_is_immutable before update or delete on pricing.{table} "
            "for each row execute function pricing.refuse_change()"
        )
        op.execute(
            f"create trigger {table}_is_kept before truncate on pricing.{table} "
            "for each statement execute function pricing.refuse_change()"
        )


def _widen() -> None:
    op.drop_constraint(op.f("ck_statement_kind"), "statement", schema="pricing")
    kinds = "kind in ('period', 'opening', 'progressive', 'topup')"
    op.create_check_constraint(op.f("ck_statement_kind"), "statement", kinds, schema="pricing")
    # An order belongs to no subscription: of these, each tenant has a first one.
    op.drop_constraint(
        op.f("uq_statement_vendor_id_mode_subscription_id_sequence_kind"),
        "statement",
        schema="pricing",
    )
    op.create_unique_constraint(
        "uq_statement_key",
        "statement",
        ["vendor_id", "mode", "tenant_id", *KEY],
        schema="pricing",
    )
    op.add_column(
        "wallet",
        sa.Column(
            "top_up_by",
            sa.Text(),
            server_default="grant",
            nullable=False,
            comment="grant: at once; order: once its invoice is paid",
        ),
        schema="pricing",
    )
    op.create_check_constraint(
        op.f("ck_wallet_top_up_by"), "wallet", "top_up_by in ('grant', 'order')", schema="pricing"
    )
