"""What agents' runs cost and brought, by agent and by version: added up in the database."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.agents.run_prices import RunPrices
from services.pricing.domain.agents.run_sums import OutcomeSums, RunSums
from services.pricing.domain.agents.versions import RunFigures, Version, anomalies_of
from services.pricing.domain.growth.windows import Window
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository.agents import Agent
from services.pricing.repository.runs import figures
from services.pricing.repository.runs.figures import FigureKey, FigureQuestion
from shared.accounts.repository import Account

BEFORE, NOW = 0, 1


@dataclass(frozen=True)
class AgentRuns:
    """Runs of an agent in both spans of days, and each of its versions, the first seen first."""

    now: RunFigures | None
    before: RunFigures | None
    versions: Sequence[Version]


NO_RUNS = AgentRuns(None, None, ())


async def read_agent_runs(
    connection: AsyncConnection,
    account: Account,
    windows: tuple[Window, Window],
    outcome: str | None,
) -> dict[Agent, AgentRuns]:
    """Return what runs that ended in the windows came to, by agent."""
    question = FigureQuestion(account, windows, outcome)
    listed = await load_prices(connection, account)
    circumstances = await figures.read_priced_by(connection, question)
    # Of many days and models it takes a while.
    prices = await asyncio.to_thread(RunPrices.of, circumstances, listed)
    sums, outcomes = await figures.read_figures(connection, question, prices)
    unpriced = await figures.read_unpriced_kinds(connection, question, prices)
    seen = await figures.read_versions(connection, account)
    return await asyncio.to_thread(_by_agent, _Read(sums, outcomes, unpriced, seen))


@dataclass(frozen=True)
class _Read:
    """What was read of runs."""

    sums: Mapping[FigureKey, RunSums]
    outcomes: Mapping[FigureKey, Sequence[OutcomeSums]]
    unpriced: Mapping[tuple[int, Agent], Mapping[str, Fraction]]
    seen: Mapping[Agent, figures.Seen]

    def figures(self, key: FigureKey) -> RunFigures:
        """Return the figures of an agent or a version; what is unpriced is told of agents."""
        outcomes = sorted(
            self.outcomes.get(key, ()), key=lambda one: (-one.successes, one.name, one.source)
        )
        unpriced = self.unpriced.get((key.window, key.agent), {}) if key.version is None else {}
        return RunFigures(self.sums[key], outcomes, unpriced)


def _by_agent(read: _Read) -> dict[Agent, AgentRuns]:
    found = {key: read.figures(key) for key in read.sums}
    named: dict[Agent, set[str]] = defaultdict(set)
    for key in found:
        named[key.agent] |= set() if key.version is None else {key.version}
    return {
        agent: AgentRuns(
            found.get(FigureKey(NOW, agent, None)),
            found.get(FigureKey(BEFORE, agent, None)),
            _versions(agent, found, {name: read.seen[agent][name] for name in names}),
        )
        for agent, names in named.items()
    }


def _versions(
    agent: Agent, found: Mapping[FigureKey, RunFigures], seen: figures.Seen
) -> list[Version]:
    versions: list[Version] = []
    for name in sorted(seen, key=lambda one: (seen[one], one)):
        now, before = (found.get(FigureKey(window, agent, name)) for window in (NOW, BEFORE))
        version = Version(name, *seen[name], now, before)
        earlier = [one for one in versions if one.name] if name else []
        versions.append(replace(version, anomalies=anomalies_of(version, earlier)))
    return versions
