"""Tables of the schema `metering`. What the worker writes is keyed by partition first.

Workers never contend for a row of a rollup: each row belongs to one partition of
`usage.recorded`, and readers sum over the partitions.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import service_metadata
from shared.outbox import outbox_table

metadata = service_metadata("metering")
outbox = outbox_table(metadata)


def _account_columns() -> tuple[Column[str], Column[str]]:
    return Column("vendor_id", Text, nullable=False), Column("mode", Text, nullable=False)


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

event_identity = Table(
    "event_identity",
    metadata,
    *_account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("index", Integer, nullable=False),
    Column("usage_day", Date, nullable=False),
    Column("booked_day", Date, nullable=False),
    PrimaryKeyConstraint("vendor_id", "mode", "tenant_id", "event_id"),
)

rollup = Table(
    "rollup",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("booked_day", Date, nullable=False),
    Column("row_key", LargeBinary, nullable=False),
    *_account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("context_band", Text, nullable=False),
    Column("service_tier", Text, nullable=False),
    Column("batch", Boolean, nullable=False),
    Column("speed", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("usage_day", Date, nullable=False),
    Column("hour", SmallInteger, nullable=False),
    Column("entry", Text, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("events", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "booked_day", "row_key"),
    Index("ix_rollup_account_booked_day", "vendor_id", "mode", "booked_day", "tenant_id"),
    Index("ix_rollup_account_usage_day", "vendor_id", "mode", "tenant_id", "usage_day"),
    CheckConstraint("entry in ('usage', 'correction')", name="entry"),
    postgresql_with={"fillfactor": "70"},
)

user_rollup = Table(
    "user_rollup",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("booked_day", Date, nullable=False),
    Column("row_key", LargeBinary, nullable=False),
    *_account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("usage_day", Date, nullable=False),
    Column("entry", Text, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("events", BigInteger, nullable=False),
    PrimaryKeyConstraint("partition", "booked_day", "row_key"),
    Index("ix_user_rollup_account_usage_day", "vendor_id", "mode", "tenant_id", "usage_day"),
    CheckConstraint("entry in ('usage', 'correction')", name="entry"),
    postgresql_with={"fillfactor": "70"},
)

changed_day = Table(
    "changed_day",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("bucket", Integer, nullable=False),
    *_account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("usage_day", Date, nullable=False),
    Column("booked_day", Date, nullable=False),
    Index("ix_changed_day_bucket", "bucket", "id"),
)

publisher_bucket = Table(
    "publisher_bucket",
    metadata,
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)

vendor_seal = Table(
    "vendor_seal",
    metadata,
    *_account_columns(),
    Column("sealed_through", Date, nullable=False),
    PrimaryKeyConstraint("vendor_id", "mode"),
)

seal = Table(
    "seal",
    metadata,
    *_account_columns(),
    Column("day", Date, nullable=False),
    Column("offsets", JSONB, nullable=False),
    Column("recount", Text, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("vendor_id", "mode", "day"),
    CheckConstraint("recount in ('agreed', 'differs', 'off')", name="recount"),
)

pending_seal = Table(
    "pending_seal",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("bucket", Integer, nullable=False),
    *_account_columns(),
    Column("day", Date, nullable=False),
    Index("ix_pending_seal_bucket", "bucket", "id"),
)

rejected = Table(
    "rejected",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("index", Integer, nullable=False),
    *_account_columns(),
    Column("tenant_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("event", JSONB, nullable=False),
    Column("rejected_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("partition", "offset", "index"),
    Index("ix_rejected_identity", "vendor_id", "mode", "tenant_id", "event_id"),
)

counting_statistic = Table(
    "counting_statistic",
    metadata,
    *_account_columns(),
    Column("partition", Integer, nullable=False),
    Column("counted", BigInteger, nullable=False, server_default=text("0")),
    Column("duplicates", BigInteger, nullable=False, server_default=text("0")),
    Column("rejected", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("vendor_id", "mode", "partition"),
    postgresql_with={"fillfactor": "50"},
)
