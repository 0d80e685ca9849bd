"""Tables of spend alerts in the schema `pricing`: what is to be told, and what was."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, Table, Text, func

from services.pricing.tables import metadata


def _of_subscription() -> list[Column[str]]:
    names = ("vendor_id", "mode", "subscription_id")
    return [Column(name, Text, primary_key=True) for name in names]


spend_alert = Table(
    "spend_alert",
    metadata,
    *_of_subscription(),
    Column("amount_exact", Text, primary_key=True),
)

spend_alert_look = Table(
    "spend_alert_look",
    metadata,
    *_of_subscription(),
    Column("sequence", Integer, nullable=False, comment="of the period that was open"),
    Column("changes", BigInteger, nullable=False, comment="of the usage that was looked at"),
)

spend_alert_told = Table(
    "spend_alert_told",
    metadata,
    *_of_subscription(),
    Column("sequence", Integer, primary_key=True, comment="of the period that was open"),
    Column("amount_exact", Text, primary_key=True),
    Column("told_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
