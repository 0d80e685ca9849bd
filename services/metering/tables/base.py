"""What the tables of the schema `metering` have in common."""

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, Text

from shared.database import service_metadata

metadata = service_metadata("metering")


def account_columns() -> tuple[Column[str], Column[str]]:
    """Return whose row it is, and of which side of the world."""
    return Column("vendor_id", Text, nullable=False), Column("mode", Text, nullable=False)


def position_columns() -> tuple[Column[Any], Column[Any], Column[Any]]:
    """Return the place of an event in the log."""
    return (
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("index", Integer, nullable=False),
    )
