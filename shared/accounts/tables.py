"""Tables of the schema `accounts`. The role of pricing writes them, the others read."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database import service_metadata

metadata = service_metadata("accounts")

vendor = Table(
    "vendor",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("live_from", Date, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

tenant = Table(
    "tenant",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("tenant_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("legal_name", Text, nullable=False),
    Column("billing_email", Text),
    Column("address", JSONB, nullable=False, server_default=text("'{}'")),
    Column("purchase_order", Text),
    Column("billing", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(["vendor_id"], [vendor.c.vendor_id]),
    CheckConstraint("mode in ('test', 'live')", name="mode"),
    CheckConstraint("billing in ('on', 'hold', 'internal')", name="billing"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("vendor_id", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("tenant_id", Text),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    ForeignKeyConstraint(["vendor_id"], [vendor.c.vendor_id]),
    ForeignKeyConstraint(
        ["vendor_id", "mode", "tenant_id"],
        [tenant.c.vendor_id, tenant.c.mode, tenant.c.tenant_id],
    ),
    CheckConstraint("mode in ('test', 'live')", name="mode"),
    Index(
        "uq_api_key_vendor_id_mode_name",
        "vendor_id",
        "mode",
        "name",
        unique=True,
        postgresql_where=text("revoked_at is null"),
    ),
)
