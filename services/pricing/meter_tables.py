"""Which meters metering has defined, in the schema `pricing`."""

from sqlalchemy import Boolean, Column, Integer, Table, Text

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
