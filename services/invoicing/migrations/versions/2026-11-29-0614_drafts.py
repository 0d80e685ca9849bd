"""What an invoice leaves to the next one, coupons, and what is sent for too many lines."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d40f7a92c6b1"
down_revision = "c51e0b7d2f64"
branch_labels = None
depends_on = None

OPEN = "into_invoice_id is null and settled_at is null"

# Where it went may change once: on an invoice, back when that is void, or settled for good.
REFUSE_CARRY_OVER_CHANGE = """
create function invoicing.refuse_carry_over_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    raise exception 'what was carried over is never deleted: %', old.carry_over_id;
  end if;
  if row(old.vendor_id, old.mode, old.tenant_id, old.carry_over_id, old.currency,
         old.amount_exact, old.amount_minor, old.created_at)
     is distinct from
     row(new.vendor_id, new.mode, new.tenant_id, new.carry_over_id, new.currency,
         new.amount_exact, new.amount_minor, new.created_at)
     or old.settled_at is not null then
    raise exception 'what was carried over never changes: %', old.carry_over_id;
  end if;
  if old.into_invoice_id is not null and new.into_invoice_id is not null
     and old.into_invoice_id <> new.into_invoice_id then
    raise exception 'what was carried over is on another invoice: %', old.carry_over_id;
  end if;
  return new;
end $$
"""

REFUSE_COUPON_CHANGE = """
create function invoicing.refuse_coupon_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' or old.ended_at is not null
     or to_jsonb(old) - 'ended_at' - 'ended_by' <> to_jsonb(new) - 'ended_at' - 'ended_by' then
    raise exception 'coupons never change: %', old.coupon_id;
  end if;
  return new;
end $$
"""


def upgrade() -> None:
    op.add_column(
        "invoice_line",
        sa.Column(
            "sent_key",
            sa.Text(),
            nullable=True,
            comment="key of the sent line that stands for it; null: itself",
        ),
        schema="invoicing",
    )
    _create_sent_line()
    _create_carry_over()
    _create_coupon()
    op.execute(REFUSE_COUPON_CHANGE)
    op.execute(
        "create trigger refuse_coupon_change before update or delete on invoicing.invoice_coupon "
        "for each row execute function invoicing.refuse_coupon_change()"
    )
    op.execute(REFUSE_CARRY_OVER_CHANGE)
    op.execute(
        "create trigger refuse_carry_over_change before update or delete on invoicing.carry_over "
        "for each row execute function invoicing.refuse_carry_over_change()"
    )
    op.execute(
        "create trigger refuse_line_change before insert or update or delete "
        "on invoicing.invoice_sent_line for each row execute function "
        "invoicing.refuse_line_change()"
    )


def _owner() -> list[sa.Column]:
    return [
        sa.Column(name, sa.Text(), nullable=False) for name in ("vendor_id", "mode", "tenant_id")
    ]


def _create_sent_line() -> None:
    op.create_table(
        "invoice_sent_line",
        *_owner(),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("line_key", sa.Text(), nullable=False),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount_exact", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("stripe_amount", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=True, comment="null: as the invoice's"),
        sa.Column(
            "period_end", sa.Date(), nullable=True, comment="exclusive; null: as the invoice's"
        ),
        sa.PrimaryKeyConstraint(
            *("vendor_id", "mode", "tenant_id", "invoice_id", "position"),
            name=op.f("pk_invoice_sent_line"),
        ),
        sa.UniqueConstraint(
            "invoice_id", "line_key", name=op.f("uq_invoice_sent_line_invoice_id_line_key")
        ),
        schema="invoicing",
        comment="what goes to Stripe instead of the lines, where there are too many of them",
    )


def _create_carry_over() -> None:
    op.create_table(
        "carry_over",
        *_owner(),
        sa.Column("carry_over_id", sa.Text(), nullable=False, comment="the invoice that left it"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "amount_exact", sa.Text(), nullable=False, comment="below zero: owed to the tenant"
        ),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "into_invoice_id",
            sa.Text(),
            nullable=True,
            comment="the invoice that took it; null again if that is void",
        ),
        sa.Column("settled_as", sa.Text(), nullable=True),
        sa.Column("settled_reason", sa.Text(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True, comment="the API key"),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "settled_as in ('paid_out', 'written_off')", name=op.f("ck_carry_over_settled_as")
        ),
        sa.CheckConstraint(
            "into_invoice_id is null or settled_at is null", name=op.f("ck_carry_over_gone_once")
        ),
        sa.PrimaryKeyConstraint("carry_over_id", name=op.f("pk_carry_over")),
        schema="invoicing",
        comment="what an invoice left to the tenant's next one",
    )
    op.create_index(
        "ix_carry_over_open",
        "carry_over",
        ["vendor_id", "mode", "tenant_id", "currency"],
        schema="invoicing",
        postgresql_where=sa.text(OPEN),
    )
    op.create_index("ix_carry_over_into", "carry_over", ["into_invoice_id"], schema="invoicing")


def _create_coupon() -> None:
    op.create_table(
        "invoice_coupon",
        *_owner(),
        sa.Column("coupon_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("percent", sa.Text(), comment="0 to 100, exact; or an amount"),
        sa.Column("amount", sa.Text(), comment="major units, exact; or a percentage"),
        sa.Column("currency", sa.Text(), comment="of an amount"),
        sa.Column("applies_to", postgresql.ARRAY(sa.Text()), comment="charges; null: all"),
        sa.Column(
            "first_period",
            sa.Date(),
            nullable=False,
            comment="invoices of periods from this day on",
        ),
        sa.Column(
            "last_period",
            sa.Date(),
            comment="the last day that such a period begins on; null: open",
        ),
        sa.Column(
            "invoices_max",
            sa.Integer(),
            comment="on so many invoices that are not void; null: any",
        ),
        sa.Column("created_by", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_by", sa.Text()),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            comment="not on invoices drafted afterwards",
        ),
        sa.CheckConstraint(
            "(percent is null) <> (amount is null)", name=op.f("ck_invoice_coupon_one_value")
        ),
        sa.CheckConstraint(
            "(amount is null) = (currency is null)",
            name=op.f("ck_invoice_coupon_amount_has_currency"),
        ),
        sa.PrimaryKeyConstraint(
            *("vendor_id", "mode", "tenant_id", "coupon_id"), name=op.f("pk_invoice_coupon")
        ),
        schema="invoicing",
        comment="what is taken off a tenant's invoices; never changed, only ended",
    )
