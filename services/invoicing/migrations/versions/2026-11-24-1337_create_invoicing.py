"""create invoicing"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "3d32757cf831"
down_revision = None
branch_labels = None
depends_on = None


# Only what the way through Stripe adds may change on an invoice: its state, number, attempt and
# what Stripe answered. Corrections are new rows.
REFUSE_INVOICE_CHANGE = """
create function invoicing.refuse_invoice_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    raise exception 'invoices are never deleted: %', old.invoice_id;
  end if;
  if row(old.vendor_id, old.mode, old.tenant_id, old.invoice_id, old.invoice_key,
         old.subscription_id, old.kind, old.sequence, old.period_start, old.period_end,
         old.revision, old.statement_id, old.rating_hash, old.currency, old.total_exact,
         old.total_minor, old.lines_sha256, old.created_at)
     is distinct from
     row(new.vendor_id, new.mode, new.tenant_id, new.invoice_id, new.invoice_key,
         new.subscription_id, new.kind, new.sequence, new.period_start, new.period_end,
         new.revision, new.statement_id, new.rating_hash, new.currency, new.total_exact,
         new.total_minor, new.lines_sha256, new.created_at) then
    raise exception 'what an invoice says never changes: %', old.invoice_id;
  end if;
  if old.number is not null and new.number is distinct from old.number then
    raise exception 'an invoice keeps its number: %', old.invoice_id;
  end if;
  return new;
end $$
"""
REFUSE_LINE_CHANGE = """
create function invoicing.refuse_line_change() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    raise exception 'lines never change: %', old.invoice_id;
  end if;
  perform 1 from invoicing.invoice where invoice_id = new.invoice_id and number is not null;
  if found then
    raise exception 'a numbered invoice takes no more lines: %', new.invoice_id;
  end if;
  return new;
end $$
"""


def upgrade() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("topic", "partition", "offset", name=op.f("pk_dead_letter")),
        schema="invoicing",
    )
    op.create_table(
        "inbox",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("source", "message_id", name=op.f("pk_inbox")),
        schema="invoicing",
    )
    op.create_table(
        "invoice",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("invoice_key", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("statement_id", sa.Text(), nullable=False),
        sa.Column("rating_hash", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total_exact", sa.Text(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("lines_sha256", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("stripe_invoice_id", sa.Text(), nullable=True),
        sa.Column("stripe_status", sa.Text(), nullable=True),
        sa.Column("stripe_total_minor", sa.BigInteger(), nullable=True),
        sa.Column("stripe_tax_minor", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("mode in ('test', 'live')", name=op.f("ck_invoice_mode")),
        sa.CheckConstraint(
            "state in ('draft', 'approved', 'issued', 'sent', 'paid', 'uncollectible', 'void', 'parked')",
            name=op.f("ck_invoice_state"),
        ),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_invoice")),
        sa.UniqueConstraint("invoice_key", name=op.f("uq_invoice_invoice_key")),
        sa.UniqueConstraint("stripe_invoice_id", name=op.f("uq_invoice_stripe_invoice_id")),
        sa.UniqueConstraint(
            "vendor_id", "mode", "number", name=op.f("uq_invoice_vendor_id_mode_number")
        ),
        sa.UniqueConstraint(
            "vendor_id",
            "mode",
            "tenant_id",
            "subscription_id",
            "kind",
            "sequence",
            "period_start",
            "revision",
            name="uq_invoice_key_parts",
        ),
        schema="invoicing",
    )
    op.create_index(
        "ix_invoice_to_sync",
        "invoice",
        ["next_attempt_at"],
        unique=False,
        schema="invoicing",
        postgresql_where=sa.text("state in ('draft', 'approved', 'issued')"),
    )
    op.create_table(
        "invoice_line",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
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
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "invoice_id", "position", name=op.f("pk_invoice_line")
        ),
        sa.UniqueConstraint(
            "invoice_id", "line_key", name=op.f("uq_invoice_line_invoice_id_line_key")
        ),
        schema="invoicing",
    )
    op.create_table(
        "invoice_line_detail",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("line_position", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("usage_day", sa.Date(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("amount_exact", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id",
            "mode",
            "tenant_id",
            "invoice_id",
            "line_position",
            "position",
            name=op.f("pk_invoice_line_detail"),
        ),
        schema="invoicing",
    )
    op.create_table(
        "invoice_sequence",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "mode", name=op.f("pk_invoice_sequence")),
        schema="invoicing",
    )
    op.create_table(
        "invoice_state_change",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id",
            "mode",
            "tenant_id",
            "invoice_id",
            "position",
            name=op.f("pk_invoice_state_change"),
        ),
        schema="invoicing",
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=True),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
        schema="invoicing",
    )
    op.create_table(
        "stripe_account",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("api_key_last4", sa.Text(), nullable=False),
        sa.Column("webhook_secrets_last4", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "mode", name=op.f("pk_stripe_account")),
        schema="invoicing",
    )
    op.create_table(
        "stripe_customer",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("stripe_customer_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "tenant_id", name=op.f("pk_stripe_customer")),
        schema="invoicing",
    )
    op.create_table(
        "stripe_job",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("material", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("response_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state in ('pending', 'done', 'abandoned')", name=op.f("ck_stripe_job_state")
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "material", name=op.f("pk_stripe_job")
        ),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_stripe_job_idempotency_key")),
        schema="invoicing",
    )
    op.create_index(
        "ix_stripe_job_target",
        "stripe_job",
        ["vendor_id", "mode", "target"],
        unique=False,
        schema="invoicing",
    )
    op.create_table(
        "webhook_inbox",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("stripe_invoice_id", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "event_id", name=op.f("pk_webhook_inbox")),
        schema="invoicing",
    )
    op.create_index(
        "ix_webhook_inbox_pending",
        "webhook_inbox",
        ["next_attempt_at"],
        unique=False,
        schema="invoicing",
        postgresql_where=sa.text("processed_at is null"),
    )
    op.execute(REFUSE_INVOICE_CHANGE)
    op.execute(REFUSE_LINE_CHANGE)
    op.execute(
        "create trigger refuse_invoice_change before update or delete on invoicing.invoice "
        "for each row execute function invoicing.refuse_invoice_change()"
    )
    for table in ("invoice_line", "invoice_line_detail"):
        op.execute(
            f"create trigger refuse_line_change before insert or update or delete "
            f"on invoicing.{table} for each row execute function invoicing.refuse_line_change()"
        )
