"""Tables of runs in the schema `pricing`: what their parts used, and what came of them.

A copy of what metering tells on `runs.aggregated`, kept for a time. Keys are digests: 16 bytes in
place of texts of any length.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    LargeBinary,
    Numeric,
    Table,
    Text,
    text,
)

from services.pricing.tables import metadata

TENANT = ("vendor_id", "mode", "tenant_id")


def _table(name: str, key: tuple[str, ...], *columns: Any) -> Table:
    return Table(
        name,
        metadata,
        *(Column(one, Text, primary_key=True) for one in TENANT),
        *(Column(one, LargeBinary, primary_key=True) for one in key),
        *columns,
        Column("events", BigInteger, nullable=False),
        Column("version", BigInteger, nullable=False, comment="of the message: the highest wins"),
    )


def _texts(names: str) -> list[Column[str]]:
    return [Column(name, Text, nullable=False) for name in names.split()]


# Up to when a tenant's runs are known, and by how many messages.
run_feed = Table(
    "run_feed",
    metadata,
    *(Column(one, Text, primary_key=True) for one in TENANT),
    Column("watermark", DateTime(timezone=True), nullable=False),
    Column("changes", BigInteger, nullable=False, comment="messages that came"),
)

run_part = _table(
    "run_part",
    ("part_key",),
    *_texts("run_id parent_run_id agent agent_version status"),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    Index("ix_run_part_agent", *TENANT, "agent", "last_at"),
    Index("ix_run_part_run", *TENANT, "run_id"),
    Index("ix_run_part_parent", *TENANT, "parent_run_id"),
    Index("ix_run_part_last_at", "last_at"),
)

run_usage = _table(
    "run_usage",
    ("part_key", "row_key"),
    *_texts("provider model kind context_band service_tier"),
    Column("batch", Boolean, nullable=False),
    *_texts("speed region purpose"),
    Column("is_retry", Boolean, nullable=False),
    Column("usage_day", Date, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Index(
        "ix_run_usage_retry", "vendor_id", "mode", "usage_day", postgresql_where=text("is_retry")
    ),
)

run_outcome = _table(
    "run_outcome",
    ("part_key", "row_key"),
    *_texts("name source"),
    Column("value", Numeric, nullable=False),
)
