"""How far the log is archived, and which files exist."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from services.metering.tables.base import metadata

archive_offset = Table(
    "archive_offset",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    # Every record below it is in the archive.
    Column("next_offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("topic", "partition"),
    CheckConstraint("next_offset >= 0", name="next_offset"),
)

# The manifest: a file that is not in it does not exist.
archive_file = Table(
    "archive_file",
    metadata,
    Column("path", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("end_offset", BigInteger, nullable=False),
    # Null for files that hold several days, or corrections without one.
    Column("usage_day", Date),
    Column("rows", BigInteger, nullable=False),
    # How many of the rows are revisions or corrections.
    Column("versions", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    PrimaryKeyConstraint("path"),
    Index("ix_archive_file_position", "partition", "first_offset"),
    Index("ix_archive_file_usage_day", "usage_day"),
)
