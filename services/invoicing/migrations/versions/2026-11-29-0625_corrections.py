"""What becomes of an issued invoice: how its payments stand, orders, credit notes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d83f1c6a40be"
down_revision = "d40f7a92c6b1"
branch_labels = None
depends_on = None

SCHEMA = "invoicing"


def _key(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in ("vendor_id", "mode", *names)]


def _time(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _retries() -> list[sa.Column]:
    return [
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _time("next_attempt_at"),
        _time("created_at"),
    ]


# What was ordered never changes, nor does a number, nor anything of an issued note.
REFUSE_NOTE_CHANGE = """
create function invoicing.refuse_credit_note_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    raise exception 'credit notes are never deleted: %', old.credit_note_id;
  end if;
  if old.state in ('issued', 'cancelled') then
    raise exception 'this credit note never changes: %', old.credit_note_id;
  end if;
  if row(old.vendor_id, old.mode, old.tenant_id, old.credit_note_id, old.invoice_id, old.scope,
         old.settlement, old.stripe_reason, old.memo, old.currency, old.created_at)
     is distinct from
     row(new.vendor_id, new.mode, new.tenant_id, new.credit_note_id, new.invoice_id, new.scope,
         new.settlement, new.stripe_reason, new.memo, new.currency, new.created_at) then
    raise exception 'what was ordered never changes: %', old.credit_note_id;
  end if;
  if old.number is not null and new.number is distinct from old.number then
    raise exception 'a credit note keeps its number: %', old.credit_note_id;
  end if;
  return new;
end $$
"""


def upgrade() -> None:
    _create_standing()
    _create_action()
    _create_credit_note()
    _create_parts_of_credit_notes()
    _create_idempotency_key()
    _create_holds()
    op.execute(REFUSE_NOTE_CHANGE)
    op.execute(
        "create trigger refuse_credit_note_change before update or delete "
        "on invoicing.credit_note for each row "
        "execute function invoicing.refuse_credit_note_change()"
    )


def _create_standing() -> None:
    op.create_table(
        "invoice_standing",
        *_key("tenant_id", "invoice_id"),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("remaining_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        _time("due_at", nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False, comment="fact -> reason or null"),
        sa.Column(
            "waits", sa.Boolean(), nullable=False, comment="whether a fact waits for a person"
        ),
        _time("observed_at"),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "invoice_id", name=op.f("pk_invoice_standing")
        ),
        schema=SCHEMA,
        comment="what Stripe said of payments when it was asked last",
    )
    op.create_index(
        "ix_invoice_standing_waiting",
        "invoice_standing",
        ["vendor_id", "mode"],
        schema=SCHEMA,
        postgresql_where=sa.text("waits"),
    )


def _create_action() -> None:
    op.create_table(
        "invoice_action",
        *_key("tenant_id", "invoice_id", "action"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        *_retries(),
        sa.CheckConstraint(
            "action in ('void', 'mark_uncollectible')", name=op.f("ck_invoice_action_action")
        ),
        sa.CheckConstraint(
            "state in ('pending', 'done', 'refused')", name=op.f("ck_invoice_action_state")
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "invoice_id", "action",
            name=op.f("pk_invoice_action"),
        ),
        schema=SCHEMA,
        comment="what a person ordered for an issued invoice",
    )  # fmt: skip
    op.create_index(
        "ix_invoice_action_due",
        "invoice_action",
        ["next_attempt_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'pending'"),
    )


def _create_credit_note() -> None:
    op.create_table(
        "credit_note",
        *_key("tenant_id", "credit_note_id", "invoice_id"),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("settlement", sa.Text(), nullable=False),
        sa.Column("stripe_reason", sa.Text(), nullable=True),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("pre_payment_minor", sa.BigInteger(), nullable=True),
        sa.Column("post_payment_minor", sa.BigInteger(), nullable=True),
        sa.Column("stripe_credit_note_id", sa.Text(), nullable=True),
        *_retries(),
        sa.CheckConstraint(
            "state in ('pending', 'approved', 'issued', 'parked', 'cancelled')",
            name=op.f("ck_credit_note_state"),
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "credit_note_id", name=op.f("pk_credit_note")
        ),
        sa.UniqueConstraint(
            "stripe_credit_note_id", name=op.f("uq_credit_note_stripe_credit_note_id")
        ),
        sa.UniqueConstraint(
            "vendor_id", "mode", "number", name=op.f("uq_credit_note_vendor_id_mode_number")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_credit_note_invoice", "credit_note", ["vendor_id", "mode", "invoice_id"], schema=SCHEMA
    )
    op.create_index(
        "ix_credit_note_due",
        "credit_note",
        ["next_attempt_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state in ('pending', 'approved')"),
    )


def _create_parts_of_credit_notes() -> None:
    key = ("vendor_id", "mode", "tenant_id", "credit_note_id", "position")
    op.create_table(
        "credit_note_line",
        *_key("tenant_id", "credit_note_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("line_key", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_credit_note_line")),
        schema=SCHEMA,
    )
    op.create_table(
        "credit_note_change",
        *_key("tenant_id", "credit_note_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        _time("changed_at"),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_credit_note_change")),
        schema=SCHEMA,
    )
    op.create_table(
        "credit_note_sequence",
        *_key(),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "mode", name=op.f("pk_credit_note_sequence")),
        schema=SCHEMA,
    )


def _create_idempotency_key() -> None:
    op.create_table(
        "idempotency_key",
        *_key("key"),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "key", name=op.f("pk_idempotency_key")),
        schema=SCHEMA,
        comment="what was made under a caller's key",
    )


def _create_holds() -> None:
    op.create_table(
        "billing_setting",
        *_key(),
        sa.Column("grace_seconds", sa.Integer(), nullable=False),
        sa.Column("approval", sa.Boolean(), nullable=False),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("vendor_id", "mode", name=op.f("pk_billing_setting")),
        schema=SCHEMA,
        comment="what drafts of a vendor wait for",
    )
    op.create_table(
        "invoice_hold",
        *_key("tenant_id", "invoice_id"),
        _time("until"),
        sa.Column("approval", sa.Boolean(), nullable=False),
        _time("released_at", nullable=True),
        sa.Column("released_by", sa.Text(), nullable=True, comment="id of the API key"),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "tenant_id", "invoice_id", name=op.f("pk_invoice_hold")
        ),
        schema=SCHEMA,
    )
