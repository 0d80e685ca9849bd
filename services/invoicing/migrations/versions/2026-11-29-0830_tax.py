"""Tax: a vendor's rates, who has which, what stands on invoices, what Stripe knows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e51a0c7d93f4"
down_revision = "e29a7c40b5d3"
branch_labels = None
depends_on = None

SCHEMA = "invoicing"

REFUSE_INVOICE_CHANGE = """
create function invoicing.refuse_invoice_tax_change() returns trigger
language plpgsql as $$
begin
  if row(old.tax_treatment, old.tax_minor, old.tax_text)
     is distinct from row(new.tax_treatment, new.tax_minor, new.tax_text) then
    raise exception 'what an invoice says never changes: %', old.invoice_id;
  end if;
  return new;
end $$
"""

REFUSE_CARRY_OVER_CHANGE = """
create function invoicing.refuse_carry_over_tax_change() returns trigger
language plpgsql as $$
begin
  if old.taxable_exact is distinct from new.taxable_exact then
    raise exception 'what was carried over never changes: %', old.carry_over_id;
  end if;
  return new;
end $$
"""


def upgrade() -> None:
    _add_columns()
    _create_settings()
    _create_invoice_tax()
    op.execute(REFUSE_INVOICE_CHANGE)
    op.execute(REFUSE_CARRY_OVER_CHANGE)
    for table, function in (
        ("invoice", "refuse_invoice_tax_change"),
        ("carry_over", "refuse_carry_over_tax_change"),
    ):
        op.execute(
            f"create trigger {function} before update on invoicing.{table} "
            f"for each row execute function invoicing.{function}()"
        )
    op.execute(
        "create trigger refuse_line_change before insert or update or delete "
        "on invoicing.invoice_tax for each row execute function invoicing.refuse_line_change()"
    )


def _key(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in ("vendor_id", "mode", *names)]


def _add_columns() -> None:
    for column in (
        sa.Column("tax_treatment", sa.Text(), server_default="none", nullable=False),
        sa.Column(
            "tax_minor",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=True,
            comment="null: Stripe's to work out",
        ),
        sa.Column("tax_text", sa.Text(), nullable=True, comment="stands on the invoice"),
    ):
        op.add_column("invoice", column, schema=SCHEMA)
    for table in ("invoice_line", "invoice_sent_line"):
        op.add_column(
            table,
            sa.Column(
                "taxes",
                postgresql.JSONB(),
                server_default=sa.text("'[]'"),
                nullable=False,
                comment="sent with it",
            ),
            schema=SCHEMA,
        )
    op.add_column(
        "carry_over",
        sa.Column(
            "taxable_exact",
            sa.Text(),
            nullable=True,
            comment="what of it is not taxed yet; null: the amount",
        ),
        schema=SCHEMA,
    )


def _written() -> list[sa.Column]:
    return [
        sa.Column("written_by", sa.Text(), nullable=False, comment="the API key"),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
    ]


def _create_settings() -> None:
    op.create_table(
        "tax_rate",
        *_key("rate_id"),
        sa.Column(
            "valid_from", sa.Date(), nullable=False, comment="UTC day; until the next version"
        ),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column(
            "percent",
            sa.Text(),
            nullable=False,
            comment="0 to 100, exact, on top of net amounts",
        ),
        *_written(),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "rate_id", "valid_from", name=op.f("pk_tax_rate")
        ),
        schema=SCHEMA,
        comment="versions of named rates; one that stands on an invoice never changes",
    )
    op.create_table(
        "tax_setting",
        *_key("tenant_id"),
        sa.Column("treatment", sa.Text(), nullable=True, comment="null: as the vendor's"),
        sa.Column("rate_ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("text", sa.Text(), nullable=True, comment="stands on the invoice"),
        sa.Column(
            "tax_ids", postgresql.JSONB(), nullable=False, comment="of the tenant: type and value"
        ),
        *_written(),
        sa.CheckConstraint(
            "treatment in ('none', 'rates', 'exempt', 'reverse_charge', 'automatic')",
            name=op.f("ck_tax_setting_treatment"),
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "tenant_id", name=op.f("pk_tax_setting")),
        schema=SCHEMA,
        comment="how invoices are taxed; the tenant '' stands for the vendor itself",
    )
    op.create_table(
        "tenant_tax_at_stripe",
        *_key("tenant_id"),
        sa.Column(
            "tax_ids", postgresql.JSONB(), nullable=False, comment="type, value, and Stripe's id"
        ),
        sa.Column(
            "not_located",
            postgresql.JSONB(),
            nullable=True,
            comment="the address that Stripe knew no place for",
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", name=op.f("pk_tenant_tax_at_stripe")
        ),
        schema=SCHEMA,
        comment="what Stripe has been told of a tenant's tax",
    )


def _create_invoice_tax() -> None:
    op.create_table(
        "invoice_tax",
        *_key("tenant_id", "invoice_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "rate_id",
            sa.Text(),
            nullable=True,
            comment="null: nothing is taxed, the label says why",
        ),
        sa.Column("valid_from", sa.Date(), nullable=True, comment="of the rate's version"),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("percent", sa.Text(), nullable=False),
        sa.Column("taxable_exact", sa.Text(), nullable=False),
        sa.Column("taxable_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_exact", sa.Text(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False, comment="sum to the invoice's"),
        sa.PrimaryKeyConstraint(
            *("vendor_id", "mode", "tenant_id", "invoice_id", "position"),
            name=op.f("pk_invoice_tax"),
        ),
        schema=SCHEMA,
        comment="taxes of an invoice, copied from the rates as they were",
    )
