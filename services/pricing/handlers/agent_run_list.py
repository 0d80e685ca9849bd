"""From an agent to its runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.agents.run_prices import RunPrices
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository.runs import listing
from services.pricing.repository.runs.listing import AgentRun, RunsQuestion


@dataclass(frozen=True)
class AgentRunsAnswer:
    """Runs of an agent; `more`: there are others in these days."""

    question: RunsQuestion
    prices: RunPrices
    runs: Sequence[AgentRun]
    more: bool


async def list_agent_runs(
    connection: AsyncConnection, question: RunsQuestion, *, limit: int
) -> AgentRunsAnswer:
    """Answer from one snapshot; an agent without runs in the days has none."""
    listed = await load_prices(connection, question.account)
    circumstances = await listing.read_priced_by(connection, question)
    prices = await asyncio.to_thread(RunPrices.of, circumstances, listed)
    runs = await listing.list_runs(connection, question, prices, limit=limit + 1)
    return AgentRunsAnswer(question, prices, runs[:limit], more=len(runs) > limit)
