"""How far the log is counted, and by which worker."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Integer,
    Table,
    Text,
    func,
    text,
)

from services.metering.tables.base import metadata

consumer_offset = Table(
    "consumer_offset",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    # Everything that the broker took before this instant is counted.
    Column("counted_through", DateTime(timezone=True), nullable=False),
    CheckConstraint("next_offset >= 0", name="next_offset"),
    postgresql_with={"fillfactor": "50"},
)

partition_lease = Table(
    "partition_lease",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    # Empty: nobody's.
    Column("owner", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    postgresql_with={"fillfactor": "50"},
)

live_worker = Table(
    "live_worker",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("worker_id", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    postgresql_with={"fillfactor": "50"},
)

rejection_halt = Table(
    "rejection_halt",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    # The first of the rejections that were too many, as it lies in the log.
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("halted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Rejections below this offset are accepted by a person; null: not yet.
    Column("accepted_below", BigInteger),
    Column("accepted_at", DateTime(timezone=True)),
    Column("actor", Text, nullable=False, server_default=text("''")),
    Column("reason", Text, nullable=False, server_default=text("''")),
)
