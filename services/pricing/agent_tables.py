"""The table of agents' cards in the schema `pricing`: who owns an agent, and whether it is in use.

A log: of several cards of an agent the last stands, and none is changed or deleted: triggers refuse
it.
"""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text, func

from services.pricing.tables import metadata

agent_card = Table(
    "agent_card",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", Text, nullable=False, comment="empty: of every tenant without its own"),
    Column("agent", Text, nullable=False),
    Column("owner", Text, comment="null: nobody"),
    Column("team", Text),
    Column("status", Text, nullable=False),
    Column("purpose", Text),
    Column("written_by", Text, nullable=False, comment="id of the key"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_agent_card_agent", "vendor_id", "mode", "agent", "tenant_id", "position"),
)
