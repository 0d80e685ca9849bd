"""Writing and reading who owns an agent, and whether it is in use."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository import agent_cards
from services.pricing.repository.agent_cards import EVERY_TENANT
from services.pricing.repository.agents import Agent
from services.pricing.repository.selection import owned
from services.pricing.schemas.agent_card import (
    AgentCardRead,
    AgentCards,
    AgentCardWrite,
    card_read,
    cards_read,
)
from shared.accounts.repository import Account
from shared.accounts.tables import tenant
from shared.errors import not_found

HISTORY_MAX = 500


async def put_card(
    connection: AsyncConnection,
    account: Account,
    agent: str,
    written: AgentCardWrite,
    written_by: str,
) -> AgentCardRead:
    """Add a card; the one that stands already is the answer again. Raises `unknown_tenant`."""
    if written.tenant is not None:
        known = select(tenant.c.tenant_id).where(owned(tenant, account, tenant_id=written.tenant))
        if await connection.scalar(known) is None:
            raise not_found("tenant", written.tenant)
    of = Agent(written.tenant or EVERY_TENANT, agent)
    card = written.model_dump(exclude={"tenant"})
    return card_read(await agent_cards.add(connection, account, of, card, written_by))


async def read_cards(
    connection: AsyncConnection, account: Account, agent: str, tenant_id: str | None
) -> AgentCards:
    """Return what stands for an agent, and what stood before; raises `unknown_agent_card`."""
    of = Agent(tenant_id or EVERY_TENANT, agent)
    rows = await agent_cards.list_of(connection, account, of, limit=HISTORY_MAX)
    if not rows:
        raise not_found("agent_card", agent)
    return cards_read(rows)
