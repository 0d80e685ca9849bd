"""What pricing credits of closed periods; what cannot be credited is carried over."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a83d5e1f0c64"
down_revision = "e51a0c7d93f4"
branch_labels = None
depends_on = None

SCHEMA = "invoicing"

REFUSE_ADJUSTMENT_CHANGE = """
create function invoicing.refuse_adjustment_change() returns trigger language plpgsql as $$
begin
  raise exception 'what was credited never changes: %', old.adjustment_id;
end $$
"""


def _text(name: str, comment: str | None = None, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def upgrade() -> None:
    op.add_column(
        "carry_over",
        _text(
            "of_invoice_id", "whose period it is of; null: of the one that left it", nullable=True
        ),
        schema=SCHEMA,
    )
    key = ("vendor_id", "mode", "tenant_id", "adjustment_id")
    op.create_table(
        "credited_adjustment",
        *(_text(name) for name in key),
        _text("statement_id", "of the period"),
        _text("invoice_id", "of the period"),
        sa.Column("rating_revision", sa.Integer(), nullable=False),
        _text("amount_exact", "to credit, above zero, before coupons"),
        _text("coupons_exact", "what coupons of it had taken off"),
        sa.Column(
            "changes",
            postgresql.JSONB(),
            nullable=False,
            comment="line key -> charge, exact difference",
        ),
        _text("credit_note_id", "null: nothing could be credited", nullable=True),
        sa.Column("credited_minor", sa.BigInteger(), nullable=False, comment="before tax"),
        _text("carried_exact", "what opens the next invoice, not below 0"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_credited_adjustment")),
        sa.UniqueConstraint("credit_note_id", name=op.f("uq_credited_adjustment_credit_note_id")),
        schema=SCHEMA,
        comment="what pricing credits of closed periods",
    )
    op.execute(REFUSE_ADJUSTMENT_CHANGE)
    op.execute(
        "create trigger refuse_adjustment_change before update or delete "
        "on invoicing.credited_adjustment for each row "
        "execute function invoicing.refuse_adjustment_change()"
    )
