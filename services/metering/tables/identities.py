"""Which events are known, which of their versions counts, and who said so."""

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
    UniqueConstraint,
    func,
    text,
)

from services.metering.tables.base import account_columns, metadata, position_columns

tenant_number = Table(
    "tenant_number",
    metadata,
    Column("number", Integer, Identity(always=True), primary_key=True),
    *account_columns(),
    Column("tenant_id", Text, nullable=False),
    UniqueConstraint("vendor_id", "mode", "tenant_id"),
)

# Time-ordered ids, packed by worker/identity.py: one row per flush, partition and bucket of time.
identity_segment = Table(
    "identity_segment",
    metadata,
    Column("partition", Integer, nullable=False),
    Column("bucket", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("entries", LargeBinary, nullable=False),
    PrimaryKeyConstraint("partition", "bucket", "offset"),
)

# Any other id.
plain_identity = Table(
    "plain_identity",
    metadata,
    Column("tenant_number", Integer, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("digest", Numeric(20, 0), nullable=False),
    Column("revision", Integer, nullable=False),
    *position_columns(),
    Column("usage_day", Date, nullable=False),
    Column("booked_day", Date, nullable=False),
    Column("state", SmallInteger, nullable=False),
    PrimaryKeyConstraint("tenant_number", "event_id"),
)

# Which instrument booked a response first. `key` is 16 bytes of BLAKE2b over tenant, provider and
# response_id.
natural_key = Table(
    "natural_key",
    metadata,
    Column("key", LargeBinary, nullable=False),
    Column("instrument", Text, nullable=False),
    *position_columns(),
    PrimaryKeyConstraint("key"),
)

natural_duplicate = Table(
    "natural_duplicate",
    metadata,
    Column("tenant_number", Integer, nullable=False),
    Column("event_id", Text, nullable=False),
    *position_columns(),
    Column("instrument", Text, nullable=False),
    Column("owner_instrument", Text, nullable=False),
    Column("owner_partition", Integer, nullable=False),
    Column("owner_offset", BigInteger, nullable=False),
    Column("owner_index", Integer, nullable=False),
    PrimaryKeyConstraint("tenant_number", "event_id"),
    Index("ix_natural_duplicate_position", "partition", "offset", "index"),
)

# The version that counts, of those ids that have had more than one.
overlay = Table(
    "overlay",
    metadata,
    Column("tenant_number", Integer, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("digest", Numeric(20, 0), nullable=False),
    Column("revision", Integer, nullable=False),
    *position_columns(),
    Column("is_correction", Boolean, nullable=False),
    Column("is_void", Boolean, nullable=False),
    PrimaryKeyConstraint("tenant_number", "event_id"),
)

# Every revision above the first and every correction, with who sent it and why: the audit trail.
correction = Table(
    "correction",
    metadata,
    *position_columns(),
    Column("tenant_number", Integer, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("is_correction", Boolean, nullable=False),
    Column("action", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("digest", Numeric(20, 0), nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("partition", "offset", "index"),
    Index("ix_correction_target", "tenant_number", "target_id"),
    Index("ix_correction_event_id", "tenant_number", "event_id"),
    Index("ix_correction_waiting", "partition", postgresql_where=text("state = 'waiting'")),
    CheckConstraint(
        "state in ('waiting', 'applied', 'stale', 'conflict', 'corrects_duplicate')", name="state"
    ),
)
