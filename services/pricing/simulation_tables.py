"""Tables of simulations: what was asked, how it stands, what came out."""

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from services.pricing.tables import metadata

simulation = Table(
    "simulation",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("simulation_id", Text, primary_key=True),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("request", JSONB, nullable=False),
    Column("result", JSONB, comment="once it is done"),
    Column("failure", JSONB, comment="why it failed: code and message"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    CheckConstraint("state in ('queued', 'running', 'done', 'failed')", name="state"),
    CheckConstraint("(state = 'done') = (result is not null)", name="result"),
    Index(
        "ix_simulation_waiting",
        "created_at",
        postgresql_where=text("state in ('queued', 'running')"),
    ),
)
