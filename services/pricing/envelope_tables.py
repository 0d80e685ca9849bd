"""Tables of envelopes in the schema `pricing`: what there is, what was spent, what is held.

Movements and the log of reservations are never changed: triggers refuse it. What is deleted of the
log is what `housekeeping.RESERVATIONS_KEPT` has passed for; of movements nothing.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.pricing.tables import metadata

ACCOUNT = ("vendor_id", "mode")
WORK = ("tenant", "team", "agent", "user", "run")


def _keys(*names: str) -> list[Column[str]]:
    return [Column(name, Text, primary_key=True) for name in (*ACCOUNT, *names)]


def _texts(*names: str) -> list[Column[str]]:
    return [Column(name, Text, nullable=False) for name in names]


def _moment(name: str, *, nullable: bool = False, **more: Any) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable, **more)


envelope = Table(
    "envelope",
    metadata,
    *_keys("name"),
    *_texts(*WORK),
    Column("content", JSONB, nullable=False),
    Column("ended", Boolean, nullable=False, server_default="false"),
    _moment("created_at", server_default=func.now()),
    _moment("changed_at", server_default=func.now()),
    Index("ix_envelope_tenant", *ACCOUNT, "tenant", postgresql_where=text("not ended")),
)

envelope_movement = Table(
    "envelope_movement",
    metadata,
    *_keys("name"),
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("period_start", Date, nullable=False),
    *_texts("ledger", "amount_exact", "reason", "decided_by"),
    _moment("until"),
    _moment("created_at", server_default=func.now()),
)

envelope_approval = Table(
    "envelope_approval",
    metadata,
    *_keys("name", "run"),
    *_texts("reason", "decided_by"),
    _moment("until"),
    _moment("created_at", server_default=func.now()),
)

envelope_spend = Table(
    "envelope_spend",
    metadata,
    *_keys("name", "ledger"),
    Column("period_start", Date, primary_key=True),
    *_texts("metered_exact", "overdrawn_before_exact"),
    Column("forecast", JSONB, comment="exact p10, p50, p90"),
    Column("unpriced", JSONB, nullable=False),
)

envelope_look = Table(
    "envelope_look",
    metadata,
    *_keys(),
    _moment("watermark", nullable=True),
    _moment("run_watermark", nullable=True),
    _moment("looked_at"),
)

envelope_told = Table(
    "envelope_told",
    metadata,
    *_keys("name", "ledger", "share"),
    Column("period_start", Date, primary_key=True),
    _moment("told_at", server_default=func.now()),
)

reservation = Table(
    "reservation",
    metadata,
    *_keys("reservation_id"),
    *_texts(*WORK, "ledger", "estimate_exact", "state", "committed_exact"),
    _moment("expires_at"),
    _moment("committed_at", nullable=True),
    _moment("created_at"),
    Column("steps", Integer, nullable=False, comment="entries of its log"),
    Index("ix_reservation_open", *ACCOUNT, "expires_at", postgresql_where=text("state = 'open'")),
    Index(
        "ix_reservation_committed",
        *(*ACCOUNT, "committed_at"),
        postgresql_where=text("state = 'committed'"),
    ),
    Index(
        "ix_reservation_settled",
        "expires_at",
        postgresql_where=text("state in ('metered', 'released', 'expired')"),
    ),
)

reservation_hold = Table(
    "reservation_hold",
    metadata,
    *_keys("name"),
    Column("period_start", Date, primary_key=True),
    Column("reservation_id", Text, primary_key=True),
)

reservation_log = Table(
    "reservation_log",
    metadata,
    *_keys("reservation_id"),
    Column("number", Integer, primary_key=True),
    *_texts("tenant", "run", "what", "amount_exact"),
    _moment("at"),
    Index("ix_reservation_log_run", *ACCOUNT, "tenant", "run", "at"),
)
