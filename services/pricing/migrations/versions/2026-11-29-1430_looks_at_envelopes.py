"""Looks are noted once for an account; reservations count their steps, and are kept for a time."""

import sqlalchemy as sa
from alembic import op

revision = "5c0d9b7e2f14"
down_revision = "e15b8c407d3a"
branch_labels = None
depends_on = None

ACCOUNT = ["vendor_id", "mode"]
SETTLED = "state in ('metered', 'released', 'expired')"
MOVED = ("watermark", "changes", "looked_at")


def upgrade() -> None:
    op.create_table(
        "envelope_look",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(*ACCOUNT, name=op.f("pk_envelope_look")),
        schema="pricing",
    )
    op.execute(
        "insert into pricing.envelope_look select vendor_id, mode, max(watermark), max(looked_at)"
        " from pricing.envelope_spend group by vendor_id, mode"
    )
    for name in MOVED:
        op.drop_column("envelope_spend", name, schema="pricing")
    op.alter_column("envelope_spend", "forecast", comment="exact p10, p50, p90", schema="pricing")
    _count_steps()
    _add_indexes()
    op.execute("drop trigger reservation_log_is_a_log on pricing.reservation_log")
    op.execute(
        "create trigger reservation_log_is_a_log before update on pricing.reservation_log"
        " for each row execute function pricing.refuse_change()"
    )
    op.execute(
        "create trigger reservation_log_is_kept_for_a_time before delete on pricing.reservation_log"
        " for each row when (old.at > now() - interval '89 days')"
        " execute function pricing.refuse_change()"
    )


def _count_steps() -> None:
    steps = sa.Column(
        "steps", sa.Integer(), nullable=False, server_default="0", comment="entries of its log"
    )
    op.add_column("reservation", steps, schema="pricing")
    op.execute(
        "update pricing.reservation r set steps = (select count(*) from pricing.reservation_log l"
        " where l.vendor_id = r.vendor_id and l.mode = r.mode"
        " and l.reservation_id = r.reservation_id)"
    )
    op.alter_column("reservation", "steps", server_default=None, schema="pricing")


def _add_indexes() -> None:
    for name, table, columns, where in (
        ("ix_envelope_tenant", "envelope", [*ACCOUNT, "tenant"], "not ended"),
        ("ix_reservation_open", "reservation", [*ACCOUNT, "expires_at"], "state = 'open'"),
        (
            "ix_reservation_committed",
            "reservation",
            [*ACCOUNT, "committed_at"],
            "state = 'committed'",
        ),
        ("ix_reservation_settled", "reservation", ["expires_at"], SETTLED),
    ):
        op.create_index(name, table, columns, schema="pricing", postgresql_where=sa.text(where))


def downgrade() -> None:
    op.execute("drop trigger reservation_log_is_kept_for_a_time on pricing.reservation_log")
    op.execute("drop trigger reservation_log_is_a_log on pricing.reservation_log")
    op.execute(
        "create trigger reservation_log_is_a_log before update or delete"
        " on pricing.reservation_log for each row execute function pricing.refuse_change()"
    )
    for name in ("settled", "committed", "open"):
        op.drop_index(f"ix_reservation_{name}", "reservation", schema="pricing")
    op.drop_index("ix_envelope_tenant", "envelope", schema="pricing")
    op.drop_column("reservation", "steps", schema="pricing")
    op.alter_column(
        "envelope_spend",
        "forecast",
        comment="exact p10, p50, p90 and the day it is used up",
        schema="pricing",
    )
    moment = sa.DateTime(timezone=True)
    op.add_column("envelope_spend", sa.Column("watermark", moment), schema="pricing")
    op.execute("delete from pricing.envelope_spend")  # the next look writes it again
    changes = sa.Column(
        "changes", sa.BigInteger(), nullable=False, comment="of the usage that was looked at"
    )
    op.add_column("envelope_spend", changes, schema="pricing")
    op.add_column(
        "envelope_spend", sa.Column("looked_at", moment, nullable=False), schema="pricing"
    )
    op.drop_table("envelope_look", schema="pricing")
