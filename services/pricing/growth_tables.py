"""Tables of who was trained when, and of tenants' segments, in the schema `pricing`.

Both are logs: of two entries about the same the later stands, and none is changed or deleted:
triggers refuse it.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Identity,
    Table,
    Text,
    func,
)

from services.pricing.tables import metadata


def _log(name: str, *columns: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        Column("vendor_id", Text, primary_key=True),
        Column("mode", Text, primary_key=True),
        Column("position", BigInteger, Identity(always=True), primary_key=True),
        Column("tenant_id", Text, nullable=False),
        *columns,
        Column("written_by", Text, nullable=False, comment="id of the key, or who ran the command"),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


training = _log(
    "training",
    Column("user", Text, nullable=False, comment="as events name who used something"),
    Column("program", Text, nullable=False),
    Column("trained_on", Date, comment="null: was not trained after all"),
)

tenant_segment = _log("tenant_segment", Column("segment", Text, comment="null: belongs to none"))
