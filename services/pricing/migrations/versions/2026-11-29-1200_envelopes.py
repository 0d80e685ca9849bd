"""Envelopes: amounts of a period with two ledgers, what was spent of them, what is held."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e15b8c407d3a"
down_revision = "d7e20b94c1a8"
branch_labels = None
depends_on = None

ACCOUNT = ("vendor_id", "mode")
WORK = ("tenant", "team", "agent", "user", "run")
LOGS = ("envelope_movement", "reservation_log")


def texts(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def moment(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column:
    default = sa.text("now()") if now else None
    kind = sa.DateTime(timezone=True)
    return sa.Column(name, kind, nullable=nullable, server_default=default)


def table(name: str, key: tuple[str, ...], *columns: sa.Column) -> None:
    names = {column.name for column in columns}
    primary = (*ACCOUNT, *key)
    op.create_table(
        name,
        *texts(*(n for n in primary if n not in names)),
        *columns,
        sa.PrimaryKeyConstraint(*primary, name=op.f(f"pk_{name}")),
        schema="pricing",
    )


def day(name: str) -> sa.Column:
    return sa.Column(name, sa.Date(), nullable=False)


def upgrade() -> None:
    content = sa.Column("content", postgresql.JSONB(), nullable=False)
    ended = sa.Column("ended", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    moments = (moment("created_at", now=True), moment("changed_at", now=True))
    table("envelope", ("name",), *texts(*WORK), content, ended, *moments)
    position = sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False)
    decided = texts("reason", "decided_by")
    made = (moment("until"), moment("created_at", now=True))
    amount = texts("ledger", "amount_exact")
    table(
        "envelope_movement",
        ("name", "position"),
        position,
        day("period_start"),
        *amount,
        *decided,
        *made,
    )
    made = (moment("until"), moment("created_at", now=True))
    table("envelope_approval", ("name", "run"), *texts("reason", "decided_by"), *made)
    _spend()
    _reservations()
    for log in LOGS:
        op.execute(
            f"create trigger {log}_is_a_log before update or delete on pricing.{log}"
            " for each row execute function pricing.refuse_change()"
        )


def _spend() -> None:
    forecast = sa.Column(
        "forecast",
        postgresql.JSONB(),
        nullable=True,
        comment="exact p10, p50, p90 and the day it is used up",
    )
    changes = sa.Column(
        "changes", sa.BigInteger(), nullable=False, comment="of the usage that was looked at"
    )
    table(
        "envelope_spend",
        ("name", "ledger", "period_start"),
        day("period_start"),
        *texts("metered_exact", "overdrawn_before_exact"),
        forecast,
        sa.Column("unpriced", postgresql.JSONB(), nullable=False),
        moment("watermark", nullable=True),
        changes,
        moment("looked_at"),
    )
    told = (day("period_start"), moment("told_at", now=True))
    table("envelope_told", ("name", "ledger", "share", "period_start"), *told)


def _reservations() -> None:
    table(
        "reservation",
        ("reservation_id",),
        *texts(*WORK, "ledger", "estimate_exact", "state", "committed_exact"),
        moment("expires_at"),
        moment("committed_at", nullable=True),
        moment("created_at"),
    )
    table("reservation_hold", ("name", "period_start", "reservation_id"), day("period_start"))
    number = sa.Column("number", sa.Integer(), nullable=False)
    columns = texts("tenant", "run", "what", "amount_exact")
    table("reservation_log", ("reservation_id", "number"), number, *columns, moment("at"))
    index = [*ACCOUNT, "tenant", "run", "at"]
    op.create_index("ix_reservation_log_run", "reservation_log", index, schema="pricing")


def downgrade() -> None:
    for name in (
        *("reservation_log", "reservation_hold", "reservation", "envelope_told"),
        *("envelope_spend", "envelope_approval", "envelope_movement", "envelope"),
    ):
        op.drop_table(name, schema="pricing")
