"""Webhooks out: endpoints, events, one delivery for each of both, attempts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c7d2e41f90ab"
down_revision = "b40c7e15a9d2"
branch_labels = None
depends_on = None

SCHEMA = "invoicing"


def _key(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in ("vendor_id", "mode", *names)]


def _time(name: str, *, nullable: bool = True, comment: str | None = None) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _goes_with(parent: str, name: str, *columns: str) -> sa.ForeignKeyConstraint:
    names = ["vendor_id", "mode", *columns]
    targets = [f"{SCHEMA}.{parent}.{column}" for column in names]
    return sa.ForeignKeyConstraint(names, targets, name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "webhook_endpoint",
        *_key("endpoint_id"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _time("failing_since", comment="null: the last attempt was good"),
        _time("paused_until", comment="as Retry-After asked"),
        _time("created_at", nullable=False),
        _time("updated_at", nullable=False),
        sa.CheckConstraint("mode in ('test', 'live')", name=op.f("ck_webhook_endpoint_mode")),
        sa.CheckConstraint(
            "state in ('enabled', 'disabled')", name=op.f("ck_webhook_endpoint_state")
        ),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "endpoint_id", name=op.f("pk_webhook_endpoint")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "webhook_event",
        *_key("event_id"),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False, comment="the very text that is signed"),
        _time("recorded_at", nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "event_id", name=op.f("pk_webhook_event")),
        schema=SCHEMA,
    )
    op.create_index("ix_webhook_event_recorded_at", "webhook_event", ["recorded_at"], schema=SCHEMA)
    _create_deliveries()


def _create_deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        *_key("endpoint_id", "event_id"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is dead"),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "round_attempts",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="since it was made or replayed",
        ),
        _time("next_attempt_at", nullable=False),
        sa.Column("lease", sa.Text(), nullable=True, comment="of the attempt under way"),
        _time("leased_until"),
        _time("created_at", nullable=False),
        _time("finished_at"),
        sa.CheckConstraint(
            "state in ('pending', 'delivered', 'dead')", name=op.f("ck_webhook_delivery_state")
        ),
        _goes_with("webhook_endpoint", "fk_webhook_delivery_endpoint", "endpoint_id"),
        _goes_with("webhook_event", "fk_webhook_delivery_event", "event_id"),
        sa.PrimaryKeyConstraint(
            "vendor_id", "mode", "endpoint_id", "event_id", name=op.f("pk_webhook_delivery")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_webhook_delivery_due",
        "webhook_delivery",
        ["vendor_id", "mode", "endpoint_id", "next_attempt_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_webhook_delivery_dead",
        "webhook_delivery",
        ["vendor_id", "mode", "endpoint_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "ix_webhook_delivery_event",
        "webhook_delivery",
        ["vendor_id", "mode", "event_id"],
        schema=SCHEMA,
    )
    op.create_index(
        "ix_webhook_delivery_finished_at",
        "webhook_delivery",
        ["finished_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state <> 'pending'"),
    )
    op.create_table(
        "webhook_attempt",
        *_key("endpoint_id", "event_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        _time("started_at", nullable=False),
        sa.Column("status", sa.Integer(), nullable=True, comment="of the answer; null without one"),
        sa.Column(
            "failure",
            sa.Text(),
            nullable=True,
            comment="null: a good answer, or the outcome is unknown",
        ),
        sa.Column(
            "latency_ms",
            sa.Integer(),
            nullable=True,
            comment="null while under way, or if its process died",
        ),
        sa.Column("answer", sa.Text(), nullable=True, comment="how the answer begins"),
        _goes_with("webhook_delivery", "fk_webhook_attempt_delivery", "endpoint_id", "event_id"),
        sa.PrimaryKeyConstraint(
            "vendor_id",
            "mode",
            "endpoint_id",
            "event_id",
            "number",
            name=op.f("pk_webhook_attempt"),
        ),
        schema=SCHEMA,
    )
