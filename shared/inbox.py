"""The inbox: a message is handled once, because its id is claimed in the handler's transaction."""

from collections.abc import Sequence

from sqlalchemy import Column, DateTime, MetaData, Table, Text, cast, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection


def inbox_table(metadata: MetaData) -> Table:
    """Return the inbox of one service's schema."""
    return Table(
        "inbox",
        metadata,
        Column("source", Text, primary_key=True),
        Column("message_id", Text, primary_key=True),
        Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


async def claim_message(
    connection: AsyncConnection, inbox: Table, *, source: str, message_id: str
) -> bool:
    """Claim a message for this transaction; False when an earlier one has handled it."""
    claim = insert(inbox).values(source=source, message_id=message_id)
    result = await connection.execute(claim.on_conflict_do_nothing().returning(inbox.c.message_id))
    return result.first() is not None


async def claim_messages(
    connection: AsyncConnection, inbox: Table, *, source: str, message_ids: Sequence[str]
) -> set[str]:
    """Claim messages for this transaction; return those that no earlier one has handled."""
    claim = insert(inbox).from_select(
        ["source", "message_id"],
        select(literal(source), func.unnest(cast(list(message_ids), ARRAY(Text)))),
    )
    result = await connection.execute(claim.on_conflict_do_nothing().returning(inbox.c.message_id))
    return set(result.scalars())
