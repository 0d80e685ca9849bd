"""Which meters metering has defined, and the values of those that do not add up: schema `pricing`.

A value over sealed days is never changed or deleted: triggers refuse it (migrations).
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.pricing.tables import metadata

known_meter = Table(
    "known_meter",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("is_additive", Boolean, nullable=False),
)


def _days() -> list[Column[Any]]:
    return [
        Column("vendor_id", Text, primary_key=True),
        Column("mode", Text, primary_key=True),
        Column("tenant_id", Text, primary_key=True),
        Column("kind", Text, primary_key=True, comment="meter:<name>@<version>"),
        Column("period_start", Date, primary_key=True),
        Column("period_end", Date, primary_key=True, comment="exclusive"),
    ]


def _booked_before() -> Column[Any]:
    return Column(
        "booked_before",
        Date,
        primary_key=True,
        comment="what is booked later is not in it: the period's end, or that of a later one",
    )


meter_question = Table(
    "meter_question",
    metadata,
    *_days(),
    _booked_before(),
    Column("first_asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

meter_value = Table(
    "meter_value",
    metadata,
    *_days(),
    _booked_before(),
    Column("value", Text, nullable=False, comment="exact: a plain decimal, or n/d"),
    Column("events", BigInteger, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("offsets", JSONB, nullable=False, comment="sealed, by partition of usage.recorded"),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

live_meter = Table(
    "live_meter",
    metadata,
    *_days(),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("value", Text, comment="provisional; null until the first answer"),
    Column("events", BigInteger),
    Column("content_hash", Text),
    Column("as_of", DateTime(timezone=True)),
)
