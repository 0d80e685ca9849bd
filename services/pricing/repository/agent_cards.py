"""The log of agents' cards: rows that are added, never touched again."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.agent_tables import agent_card
from services.pricing.repository.agents import Agent
from services.pricing.repository.selection import keys, owned
from shared.accounts.repository import Account
from shared.database import lock_transaction

EVERY_TENANT = ""


async def add(
    connection: AsyncConnection,
    account: Account,
    agent: Agent,
    card: Mapping[str, Any],
    written_by: str,
) -> RowMapping:
    """Add a card unless it stands word for word; return the one that stands then."""
    names = (account.vendor_id, account.mode, *agent)
    await lock_transaction(connection, "pricing.agent_card", *names)
    own = {"tenant_id": agent.tenant, "agent": agent.agent}
    last = await connection.execute(
        select(agent_card)
        .where(owned(agent_card, account, **own))
        .order_by(agent_card.c.position.desc())
        .limit(1)
    )
    known: RowMapping | None = last.mappings().one_or_none()
    if known is not None and all(known[name] == value for name, value in card.items()):
        return known
    row = {**keys(account), **own, **card, "written_by": written_by}
    written = insert(agent_card).values(row).returning(agent_card)
    made: RowMapping = (await connection.execute(written)).mappings().one()
    return made


async def list_of(
    connection: AsyncConnection, account: Account, agent: Agent, *, limit: int
) -> Sequence[RowMapping]:
    """Return all cards that ever held for a tenant's agent, the newest first."""
    query = (
        select(agent_card)
        .where(
            owned(agent_card, account, agent=agent.agent),
            agent_card.c.tenant_id.in_({EVERY_TENANT, agent.tenant}),
        )
        .order_by(agent_card.c.position.desc())
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()


async def list_standing(connection: AsyncConnection, account: Account) -> dict[Agent, RowMapping]:
    """Return the card that stands of each agent that has any, those of every tenant too."""
    about = (agent_card.c.tenant_id, agent_card.c.agent)
    query = (
        select(agent_card)
        .where(owned(agent_card, account))
        .ext(distinct_on(*about))
        .order_by(*about, agent_card.c.position.desc())
    )
    rows = (await connection.execute(query)).mappings().all()
    return {Agent(row["tenant_id"], row["agent"]): row for row in rows}


def standing_of(standing: Mapping[Agent, RowMapping], agent: Agent) -> RowMapping | None:
    """Return the card of a tenant's agent: its own, else the one of every tenant."""
    return standing.get(agent) or standing.get(agent._replace(tenant=EVERY_TENANT))
