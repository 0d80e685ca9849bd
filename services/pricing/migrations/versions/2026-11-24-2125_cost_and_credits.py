"""Provider prices and credits."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "507ee16f9882"
down_revision = "b07b251bf93a"
branch_labels = None
depends_on = None


GUARDED = (
    "provider_price",
    "credit_grant",
    "ledger_transaction",
    "ledger_entry",
    "idempotency_key",
)

REFUSE_UNBALANCED = """
create function pricing.refuse_unbalanced() returns trigger language plpgsql as $$
declare
  entry record;
  above numeric := 0;
  below numeric := 1;
  common numeric;
begin
  -- Amounts are fractions: they are added as such, since a quotient would be rounded.
  for entry in
    select numerator, denominator from pricing.ledger_entry
    where vendor_id = new.vendor_id and mode = new.mode and transaction_id = new.transaction_id
  loop
    above := above * entry.denominator + entry.numerator * below;
    below := below * entry.denominator;
    common := gcd(above, below);
    above := div(above, common);
    below := div(below, common);
  end loop;
  if above <> 0 then
    raise exception 'transaction % does not sum to zero', new.transaction_id
      using errcode = 'check_violation';
  end if;
  return null;
end $$
"""


def upgrade() -> None:
    op.create_table(
        "credit_grant",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the terms, amounts as exact text",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "grant_id", name=op.f("pk_credit_grant")),
        schema="pricing",
    )
    op.create_index(
        "ix_credit_grant_wallet",
        "credit_grant",
        ["vendor_id", "mode", "tenant_id", "currency", "position"],
        unique=False,
        schema="pricing",
    )
    op.create_table(
        "idempotency_key",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "request_hash", sa.Text(), nullable=False, comment="of the operation and its body"
        ),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "key", name=op.f("pk_idempotency_key")),
        schema="pricing",
    )
    op.create_table(
        "ledger_entry",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "account", sa.Text(), nullable=False, comment="credits, funding, usage or breakage"
        ),
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column(
            "line_key", sa.Text(), nullable=False, comment="of a draw: the line that is paid"
        ),
        sa.Column("numerator", sa.Numeric(), nullable=False),
        sa.Column("denominator", sa.Numeric(), nullable=False),
        sa.CheckConstraint(
            "account in ('credits', 'funding', 'usage', 'breakage')",
            name=op.f("ck_ledger_entry_account"),
        ),
        sa.CheckConstraint(
            "denominator > 0 and scale(denominator) = 0 and scale(numerator) = 0",
            name=op.f("ck_ledger_entry_rational"),
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "transaction_id", "number", name=op.f("pk_ledger_entry")
        ),
        schema="pricing",
    )
    op.create_index(
        "ix_ledger_entry_grant",
        "ledger_entry",
        ["vendor_id", "mode", "grant_id"],
        unique=False,
        schema="pricing",
    )
    op.create_table(
        "ledger_transaction",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "booked_on",
            sa.Date(),
            nullable=False,
            comment="UTC day that the transaction is true for",
        ),
        sa.Column(
            "reference", sa.Text(), nullable=False, comment="statement or grant that it is about"
        ),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="of a draw: what it was computed from",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind in ('grant', 'draw', 'return', 'expiry')", name=op.f("ck_ledger_transaction_kind")
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "transaction_id", name=op.f("pk_ledger_transaction")
        ),
        schema="pricing",
    )
    op.create_index(
        "ix_ledger_transaction_reference",
        "ledger_transaction",
        ["vendor_id", "mode", "reference"],
        unique=False,
        schema="pricing",
    )
    op.create_index(
        "ix_ledger_transaction_wallet",
        "ledger_transaction",
        ["vendor_id", "mode", "tenant_id", "currency", "position"],
        unique=False,
        schema="pricing",
    )
    op.create_index(
        "uq_ledger_transaction_draw",
        "ledger_transaction",
        ["vendor_id", "mode", "reference"],
        unique=True,
        schema="pricing",
        postgresql_where=sa.text("kind = 'draw'"),
    )
    op.create_table(
        "provider_price",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="contract or manual"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False, comment="* is every model"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "service_tier",
            sa.Text(),
            nullable=True,
            comment="null: any; empty: the provider's standard",
        ),
        sa.Column("batch", sa.Boolean(), nullable=True, comment="null: any"),
        sa.Column(
            "speed", sa.Text(), nullable=True, comment="null: any; empty: the provider's standard"
        ),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True, comment="exclusive; null: open"),
        sa.Column("per", sa.Text(), nullable=False),
        sa.Column(
            "unit_amount",
            sa.Text(),
            nullable=True,
            comment="US dollars for `per` units; null takes back a price",
        ),
        sa.Column("long_context", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "source in ('contract', 'manual')", name=op.f("ck_provider_price_source")
        ),
        sa.CheckConstraint(
            "effective_to is null or effective_to > effective_from",
            name=op.f("ck_provider_price_days"),
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "position", name=op.f("pk_provider_price")),
        schema="pricing",
    )
    op.create_index(
        "ix_provider_price_model",
        "provider_price",
        ["vendor_id", "mode", "provider", "model", "kind"],
        unique=False,
        schema="pricing",
    )
    op.create_table(
        "wallet",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("on_empty", sa.Text(), nullable=False, comment="overage or hard_stop"),
        sa.Column(
            "top_up_below",
            sa.Text(),
            nullable=True,
            comment="balance under which credits are bought; null: never",
        ),
        sa.Column("top_up_amount", sa.Text(), nullable=True),
        sa.CheckConstraint("on_empty in ('overage', 'hard_stop')", name=op.f("ck_wallet_on_empty")),
        sa.CheckConstraint(
            "(top_up_below is null) = (top_up_amount is null)", name=op.f("ck_wallet_top_up")
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "currency", name=op.f("pk_wallet")
        ),
        schema="pricing",
    )
    for table in GUARDED:
        op.execute(
            f"create trigger {table}_is_immutable before update or delete on pricing.{table} "
            "for each row execute function pricing.refuse_change()"
        )
        op.execute(
            f"create trigger {table}_is_kept before truncate on pricing.{table} "
            "for each statement execute function pricing.refuse_change()"
        )
    op.execute(REFUSE_UNBALANCED)
    op.execute(
        "create constraint trigger ledger_entry_balances after insert on pricing.ledger_entry "
        "deferrable initially deferred for each row execute function pricing.refuse_unbalanced()"
    )
