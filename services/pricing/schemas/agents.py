"""HTTP models of the roster of agents."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from pydantic import BaseModel, Field

from services.pricing.domain.agents.roster import AgentUse, OutcomeCost
from services.pricing.domain.growth.contribution import growth_of
from services.pricing.domain.growth.shown import shown
from services.pricing.domain.rating import COST_CURRENCY
from services.pricing.handlers.agents import AgentRow, RosterAnswer
from services.pricing.schemas.agent_card import Status
from services.pricing.schemas.agent_runs import (
    BIASES,
    INTERVALS,
    VERSIONS_SHOWN,
    QuantityRead,
    RunsRead,
    VersionRead,
    maybe,
    quantities,
    runs_read,
    version_read,
)
from services.pricing.schemas.growth.growth import Days, Shown

UNOWNED_SHOWN = 1_000


class OutcomeRead(BaseModel):
    """What an outcome cost in US dollars: all cost, of what failed too, over all outcomes."""

    outcomes: Shown
    cost_per_outcome: Shown
    lower: Shown | None = Field(description="of the 95 % interval, by days; null: too few days")
    upper: Shown | None


class ShareRead(BaseModel):
    """A part of the tokens, in percent."""

    name: str
    percent: Shown


class AgentRead(BaseModel):
    """An agent over the days that are asked for; shares are of tokens, in percent."""

    tenant: str
    agent: str
    owner: str | None = Field(description="as its card says; null: nobody")
    team: str | None
    status: Status | None = Field(description="null: it has no card")
    first_day: date = Field(description="on which it used anything")
    last_day: date
    active_days: int = Field(description="with tokens")
    tokens: Shown
    tokens_before: Shown
    tokens_growth_percent: Shown | None
    cost: Shown = Field(description="US dollars, of what has a price")
    cost_before: Shown
    unpriced: list[QuantityRead] = Field(description="whose cost nobody knows; in no cost")
    revenue: Shown | None = Field(description="of its usage; fees are no agent's")
    margin: Shown | None = Field(description="null unless all is priced, and in US dollars")
    cache_hit_percent: Shown | None = Field(description="of the input")
    reasoning_percent: Shown | None = Field(description="of the output")
    aborted_percent: Shown | None
    failed_percent: Shown | None
    purposes: list[ShareRead]
    models: list[ShareRead]
    users: int = Field(description="named ones")
    outcome: OutcomeRead | None
    runs: RunsRead | None = Field(description="that ended in the days; null: none did")
    runs_before: RunsRead | None
    versions: list[VersionRead] = Field(description="the newest, the first seen of them first")
    versions_more: int = Field(description="older ones that are not told")


class SpanRead(BaseModel):
    """How many agents a person works with."""

    people: int = Field(description="named users who used any agent")
    agents_per_person: Shown | None = Field(description="mean")


class NamedAgent(BaseModel):
    tenant: str
    agent: str


class RosterRead(Days):
    """All agents that used anything, the dearest first."""

    outcome: str | None = Field(description="the unit that counts outcomes")
    currency: str | None = Field(description="of revenue")
    sealed_through: date | None = Field(description="later days may still change")
    open_periods: int = Field(description="subscriptions with days that are not billed yet")
    span: SpanRead
    agents: list[AgentRead]
    more: int = Field(description="agents beyond those that are told")
    without_owner: list[NamedAgent] = Field(
        description=f"that are in use and nobody's, the dearest {UNOWNED_SHOWN}"
    )
    runs_from: date = Field(description="runs whose last event is older are not kept any more")
    intervals: str = INTERVALS
    biases: tuple[str, ...] = BIASES


def roster_read(answer: RosterAnswer, *, top: int, runs_from: date) -> RosterRead:
    """Return an answer as it is shown, with so many agents at most."""
    people = answer.span.people
    mean = Fraction(answer.span.agents_of_people, people) if people else None
    return RosterRead(
        first=answer.window.first,
        end=answer.window.end,
        base_first=answer.base.first,
        base_end=answer.base.end,
        outcome=answer.question.outcome,
        currency=answer.currency,
        sealed_through=answer.sealed_through,
        open_periods=answer.open_periods,
        span=SpanRead(people=people, agents_per_person=maybe(mean)),
        agents=[_agent(row, answer.currency) for row in answer.rows[:top]],
        more=max(len(answer.rows) - top, 0),
        without_owner=_without_owner(answer.rows),
        runs_from=runs_from,
    )


def _without_owner(rows: Sequence[AgentRow]) -> list[NamedAgent]:
    unowned = [row.agent for row in rows if row.in_use and not (row.card and row.card["owner"])]
    return [NamedAgent(tenant=of.tenant, agent=of.agent) for of in unowned[:UNOWNED_SHOWN]]


def _agent(row: AgentRow, currency: str | None) -> AgentRead:
    use, before, versions = row.after, row.before, row.runs.versions
    margin = row.revenue - use.cost if currency == COST_CURRENCY and not use.unpriced else None
    return AgentRead(
        tenant=row.agent.tenant,
        agent=row.agent.agent,
        owner=row.card and row.card["owner"],
        team=row.card and row.card["team"],
        status=row.card and row.card["status"],
        first_day=row.seen[0],
        last_day=row.seen[1],
        active_days=use.active_days,
        tokens=shown(use.tokens),
        tokens_before=shown(before.tokens),
        tokens_growth_percent=maybe(growth_of(before.tokens, use.tokens)),
        cost=shown(use.cost),
        cost_before=shown(before.cost),
        unpriced=quantities(use.unpriced),
        revenue=None if currency is None else shown(row.revenue),
        margin=maybe(margin),
        cache_hit_percent=maybe(use.cache_hits),
        reasoning_percent=maybe(use.reasoning),
        aborted_percent=maybe(use.share_of_status("aborted")),
        failed_percent=maybe(use.share_of_status("failed")),
        purposes=_shares(use, use.purposes),
        models=_shares(use, use.models),
        users=row.users,
        outcome=_outcome(use.outcome_cost()),
        runs=runs_read(row.runs.now),
        runs_before=runs_read(row.runs.before),
        versions=[version_read(one) for one in versions[-VERSIONS_SHOWN:]],
        versions_more=max(len(versions) - VERSIONS_SHOWN, 0),
    )


def _shares(use: AgentUse, sums: dict[str, Fraction]) -> list[ShareRead]:
    """Return the parts of an agent's tokens, the largest first."""
    if use.tokens <= 0:
        return []
    ordered = sorted(sums.items(), key=lambda part: (-part[1], part[0]))
    return [ShareRead(name=name, percent=shown(own / use.tokens * 100)) for name, own in ordered]


def _outcome(cost: OutcomeCost | None) -> OutcomeRead | None:
    if cost is None:
        return None
    interval = cost.interval
    return OutcomeRead(
        outcomes=shown(cost.outcomes),
        cost_per_outcome=shown(cost.estimate),
        lower=interval and shown(interval.lower),
        upper=interval and shown(interval.upper),
    )
