"""Issued invoices are replaced by revisions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e29a7c40b5d3"
down_revision = "e91b6d37c5f0"
branch_labels = None
depends_on = None

SCHEMA = "invoicing"
ACTION = "ck_invoice_action_action"

# A refused order may be given again with other lines; what has led to an invoice stays.
REFUSE_REVISION_CHANGE = """
create function invoicing.refuse_revision_change() returns trigger language plpgsql as $$
begin
  if old.revised_by is not null then
    raise exception 'this revision never changes: %', old.invoice_id;
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  return new;
end $$
"""


def upgrade() -> None:
    op.create_table(
        "invoice_revision",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("vendor_id", "mode", "tenant_id")
        ),
        sa.Column("invoice_id", sa.Text(), nullable=False, comment="that is replaced"),
        sa.Column(
            "lines",
            postgresql.JSONB(),
            nullable=True,
            comment="of a one-off invoice; null: its own",
        ),
        sa.Column(
            "revised_by",
            sa.Text(),
            nullable=True,
            comment="the new invoice; null until the old is void",
        ),
        sa.Column("created_by", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "invoice_id", name=op.f("pk_invoice_revision")
        ),
        sa.UniqueConstraint("revised_by", name=op.f("uq_invoice_revision_revised_by")),
        schema=SCHEMA,
        comment="how issued invoices are replaced",
    )
    op.execute(REFUSE_REVISION_CHANGE)
    op.execute(
        "create trigger refuse_revision_change before update or delete "
        "on invoicing.invoice_revision for each row "
        "execute function invoicing.refuse_revision_change()"
    )
    op.drop_constraint(op.f(ACTION), "invoice_action", schema=SCHEMA)
    op.create_check_constraint(
        op.f(ACTION),
        "invoice_action",
        "action in ('void', 'mark_uncollectible', 'revise')",
        schema=SCHEMA,
    )
