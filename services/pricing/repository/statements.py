"""Statements: written once, with the message about them; never changed."""

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import keys, owned
from services.pricing.tables import outbox, statement
from shared.accounts.repository import Account
from shared.events.statement_rated import StatementLine, StatementRated
from shared.outbox import Outgoing, put_rows

COLUMNS = (
    "statement_id",
    "tenant_id",
    "subscription_id",
    "kind",
    "sequence",
    "period_start",
    "period_end",
    "currency",
    "price_book",
    "price_version",
    "total_exact",
    "input_hash",
    "rating_hash",
)
"""Fields of a statement that are also columns, to be searched and listed by."""


async def issue(connection: AsyncConnection, statements: Sequence[StatementRated]) -> None:
    """Store statements and the messages about them, in their order.

    The key of (subscription, sequence, kind) refuses a second statement for one period, and a
    second opening.
    """
    if not statements:
        return
    messages = [Outgoing(rated, message_id=rated.statement_id).row() for rated in statements]
    rows = [
        {
            **keys(Account(rated.vendor_id, rated.mode)),
            **{name: getattr(rated, name) for name in COLUMNS},
            "unrated": bool(rated.unrated),
            # What invoicing receives is what we store, to the letter.
            "content": message["payload"].decode(),
        }
        for rated, message in zip(statements, messages, strict=True)
    ]
    content = cast(bindparam("content", type_=Text), JSONB)
    await connection.execute(insert(statement).values(content=content), rows)
    await put_rows(connection, outbox, messages)


async def read(
    connection: AsyncConnection, account: Account, statement_id: str
) -> RowMapping | None:
    query = select(statement).where(owned(statement, account, statement_id=statement_id))
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


_WITH_FEES: ColumnElement[str] = literal_column("'$.lines[*] ? (exists (@.advance))'::jsonpath")


async def read_fees_in_advance(
    connection: AsyncConnection, account: Account, statement_id: str
) -> list[StatementLine]:
    """Return a statement's lines of fees in advance, without its other lines."""
    found = func.jsonb_path_query_array(statement.c.content, _WITH_FEES)
    query = select(found).where(owned(statement, account, statement_id=statement_id))
    lines = (await connection.execute(query)).scalar_one()
    return [StatementLine.model_validate(line) for line in lines]


async def list_of_tenant(
    connection: AsyncConnection,
    account: Account,
    tenant_id: str | None,
    *,
    after: int,
    limit: int,
) -> Sequence[RowMapping]:
    """Return statements behind a position, oldest first, without their lines."""
    columns = [column for column in statement.c if column.name != "content"]
    query = select(*columns).where(owned(statement, account), statement.c.position > after)
    if tenant_id is not None:
        query = query.where(statement.c.tenant_id == tenant_id)
    query = query.order_by(statement.c.position).limit(limit)
    return (await connection.execute(query)).mappings().all()


async def list_with_unrated_usage(
    connection: AsyncConnection, account: Account, *, limit: int
) -> Sequence[RowMapping]:
    query = (
        select(statement.c.statement_id, statement.c.tenant_id, statement.c.created_at)
        .where(owned(statement, account), statement.c.unrated)
        .order_by(statement.c.position.desc())
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()
