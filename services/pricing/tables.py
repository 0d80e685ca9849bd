"""Tables of the schema `pricing`; everything belongs to a vendor's test or live half.

Published versions, statements and ratings of periods cannot be changed or deleted: triggers refuse
it (migrations).
"""

from datetime import datetime

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
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import service_metadata
from shared.outbox import outbox_table

metadata = service_metadata("pricing")

IN_ADVANCE = """content @> '{"charges": [{"timing": "in_advance"}]}'"""
"""Tells whether a version has a fee in advance; in a query as it stands in the index."""

THRESHOLDS = """content @> '{"plans": [{"progressive_thresholds": []}]}'"""
"""Tells whether a version has a plan with thresholds; in a query as it stands in the index."""

OWN_THRESHOLDS = """content @> '{"overrides": [{"set": {"progressive_thresholds": []}}]}'"""
"""Tells the same of what a change agrees with a tenant."""

outbox = outbox_table(metadata)


def _account() -> list[Column[str]]:
    return [Column("vendor_id", Text, primary_key=True), Column("mode", Text, primary_key=True)]


def _dimensions(names: str) -> list[Column[str]]:
    return [Column(name, Text, primary_key=True) for name in names.split()]


def _created_at() -> Column[datetime]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


price_book = Table(
    "price_book",
    metadata,
    *_account(),
    Column("book", Text, primary_key=True),
    Column("name", Text, nullable=False),
    _created_at(),
)

price_version = Table(
    "price_version",
    metadata,
    *_account(),
    Column("book", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("content", JSONB, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("effective_on", Date, comment="null while the version is a draft"),
    Column("published_at", DateTime(timezone=True)),
    Column("retired_at", DateTime(timezone=True), comment="nothing new starts on it since"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("(effective_on is null) = (published_at is null)", name="published"),
    CheckConstraint("retired_at is null or published_at is not null", name="retired"),
    Index(
        "ix_price_version_in_advance",
        *("vendor_id", "mode", "book"),
        postgresql_where=text(IN_ADVANCE),
    ),
    Index(
        "ix_price_version_thresholds",
        *("vendor_id", "mode", "book"),
        postgresql_where=text(THRESHOLDS),
    ),
)

subscription = Table(
    "subscription",
    metadata,
    *_account(),
    Column("subscription_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("price_book", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("anchor_day", Integer, nullable=False),
    Column("seats", Integer, nullable=False),
    Column("ends_on", Date, comment="last day, inclusive"),
    Column("trial_days", Integer, nullable=False, server_default="0"),
    Column("phases", JSONB, nullable=False, server_default="[]"),
    Column("last_day", Date, comment="ends_on or, if earlier, the day before a cancellation"),
    Column("changes", Integer, nullable=False, server_default="0", comment="how many there are"),
    Column(
        "shares",
        Boolean,
        nullable=False,
        server_default="false",
        comment="whether the tenant has another one on some of the days",
    ),
    Column("topic_partition", Integer, nullable=False, comment="of usage.aggregated"),
    Column("next_sequence", Integer, nullable=False, comment="of the first period not yet rated"),
    Column("next_start", Date, comment="null when the last period is rated"),
    Column("next_end", Date, comment="exclusive"),
    Column("opens_on", Date, comment="first day charged, until its opening statement is made"),
    Column("charged_by", Text, comment="statement that charged the open period's fees in advance"),
    _created_at(),
    Index("ix_subscription_tenant", "vendor_id", "mode", "tenant_id"),
    Index("ix_subscription_due", "vendor_id", "mode", "topic_partition", "next_end"),
    Index(
        "ix_subscription_to_open",
        *("vendor_id", "mode", "topic_partition", "opens_on"),
        postgresql_where=text("opens_on is not null"),
    ),
)

subscription_change = Table(
    "subscription_change",
    metadata,
    *_account(),
    Column("subscription_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True, comment="1 for the first change, counting up"),
    Column("change_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("effective_on", Date, nullable=False, comment="first day on which it holds"),
    Column("content", JSONB, nullable=False),
    _created_at(),
    UniqueConstraint("vendor_id", "mode", "subscription_id", "change_id"),
    Index(
        "ix_subscription_change_thresholds",
        *("vendor_id", "mode", "subscription_id"),
        postgresql_where=text(OWN_THRESHOLDS),
    ),
)

seat_assignment = Table(
    "seat_assignment",
    metadata,
    *_account(),
    Column("subscription_id", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True, comment="1 for the first one, counting up"),
    Column("user", Text, nullable=False, comment="as events name who used something"),
    Column("seat_class", Text, comment="empty: seats are not told apart; null: holds none"),
    Column("from_day", Date, nullable=False),
    Column("until_day", Date, comment="inclusive; null: open"),
    _created_at(),
    CheckConstraint("until_day is null or until_day >= from_day", name="days"),
)

usage_daily = Table(
    "usage_daily",
    metadata,
    *_account(),
    *_dimensions("tenant_id provider agent model kind context_band service_tier"),
    Column("batch", Boolean, primary_key=True),
    *_dimensions("speed region purpose status"),
    Column("usage_day", Date, primary_key=True),
    Column("booked_day", Date, primary_key=True),
    Column("entry", Text, primary_key=True),
    Column("quantity", Numeric, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("ix_usage_daily_booked_day", "vendor_id", "mode", "booked_day"),
    Index("ix_usage_daily_usage_day", "vendor_id", "mode", "tenant_id", "usage_day", "booked_day"),
    Index(
        "ix_usage_daily_late",
        *("vendor_id", "mode", "tenant_id", "booked_day", "usage_day"),
        postgresql_where=text("usage_day < booked_day"),
    ),
)

usage_daily_by_user = Table(
    "usage_daily_by_user",
    metadata,
    *_account(),
    *_dimensions("tenant_id team user agent model purpose kind"),
    Column("usage_day", Date, primary_key=True),
    Column("booked_day", Date, primary_key=True),
    Column("entry", Text, primary_key=True),
    Column("quantity", Numeric, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index(
        "ix_usage_daily_by_user_usage_day",
        *("vendor_id", "mode", "tenant_id", "usage_day", "booked_day"),
    ),
)

usage_watermark = Table(
    "usage_watermark",
    metadata,
    *_account(),
    Column("tenant_id", Text, primary_key=True),
    Column("watermark", DateTime(timezone=True), nullable=False),
    Column(
        "changes",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="messages of usage that came: another number, perhaps another bill",
    ),
)

seal_part = Table(
    "seal_part",
    metadata,
    *_account(),
    Column("topic_partition", Integer, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("parts", Integer, nullable=False),
    Column("tenants", JSONB, nullable=False),
)

sealed_day = Table(
    "sealed_day",
    metadata,
    *_account(),
    Column("topic_partition", Integer, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("recount", Text, nullable=False),
)

sealed_through = Table(
    "sealed_through",
    metadata,
    *_account(),
    Column("topic_partition", Integer, primary_key=True),
    Column("day", Date, nullable=False),
)

parked_tenant = Table(
    "parked_tenant",
    metadata,
    *_account(),
    Column("tenant_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("expected", JSONB, nullable=False),
    Column("found", JSONB, nullable=False),
    _created_at(),
)

statement = Table(
    "statement",
    metadata,
    *_account(),
    Column("statement_id", Text, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("subscription_id", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="period"),
    Column("sequence", Integer, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False, comment="exclusive"),
    Column("currency", Text, nullable=False),
    Column("price_book", Text, nullable=False),
    Column("price_version", Integer, nullable=False),
    Column("total_exact", Text, nullable=False),
    Column("input_hash", Text, nullable=False),
    Column("rating_hash", Text, nullable=False),
    Column(
        "unrated", Boolean, nullable=False, comment="whether usage is left that no charge claims"
    ),
    Column("content", JSONB, nullable=False),
    _created_at(),
    UniqueConstraint(
        *("vendor_id", "mode", "tenant_id", "subscription_id", "sequence", "kind"),
        name="uq_statement_key",
    ),
    CheckConstraint("kind in ('period', 'opening', 'progressive', 'topup')", name="kind"),
    Index("ix_statement_tenant", "vendor_id", "mode", "tenant_id", "position"),
    Index("ix_statement_price_book", "vendor_id", "mode", "price_book", "period_end"),
)

period_rating = Table(
    "period_rating",
    metadata,
    *_account(),
    Column("subscription_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True, comment="of the period that was rated"),
    Column("revision", Integer, primary_key=True, comment="0: at first; the highest is the last"),
    Column(
        "statement_id",
        Text,
        nullable=False,
        comment="on which its difference stands, or the adjustment that credits it",
    ),
    Column("booked_before", Date, nullable=False, comment="usage booked up to there is in it"),
    Column("input_hash", Text, nullable=False),
    Column("rating_hash", Text, nullable=False),
    Column("content", JSONB, nullable=False, comment="lines, unrated, unpriced, cost"),
    _created_at(),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("topic_partition", Integer, primary_key=True),
    Column("topic_offset", BigInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    _created_at(),
)
