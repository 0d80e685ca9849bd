"""The HTTP API of pricing: the roster of agents, their cards and their runs."""

from asyncio import to_thread
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.pricing.agent_files import agent_runs_csv, roster_csv, run_tree_csv
from services.pricing.api import PAGE_DEFAULT, PAGE_MAX, BillingReader, vendor_of
from services.pricing.api_forms import Accept, Forms, SpanParameters, answers
from services.pricing.api_growth import TOP_MAX
from services.pricing.growth_plots import roster_plot
from services.pricing.handlers.agent_cards import put_card, read_cards
from services.pricing.handlers.agent_run_list import list_agent_runs
from services.pricing.handlers.agents import RosterQuestion, read_roster
from services.pricing.handlers.growth.windows import Span, windows_of
from services.pricing.handlers.idempotency import once
from services.pricing.handlers.run_trees import read_run_tree
from services.pricing.repository.runs.listing import Order, RunsQuestion
from services.pricing.schemas.agent_card import AgentCardRead, AgentCards, AgentCardWrite
from services.pricing.schemas.agents import RosterRead, roster_read
from services.pricing.schemas.fields import Day, InDigits
from services.pricing.schemas.run_tree import (
    AgentRunsRead,
    RunTreeRead,
    agent_runs_read,
    run_tree_read,
)
from services.pricing.settings import PricingSettings
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.clock import Clock, utc_day
from shared.database import Database
from shared.idempotency import OptionalIdempotencyKey
from shared.ids import IDENTIFIER_PATTERN, Slug

AccountsWriter = Annotated[Caller, Depends(requires(Scope.ACCOUNTS_WRITE))]
AgentName = Annotated[str, Path(pattern=IDENTIFIER_PATTERN.replace(r"\Z", "$"))]
TenantName = Annotated[Slug | None, Query(description="its own agent goes before every tenant's")]
FileForm = Literal["json", "csv"]
ROSTER = Forms("agents", roster_csv, roster_plot)
RUNS = Forms("agent-runs", agent_runs_csv)
TREE = Forms("run-cost", run_tree_csv)
RUNS_ANSWERS = answers(AgentRunsRead, plot=False)
TREE_ANSWERS = answers(RunTreeRead, plot=False)


class RosterParameters(SpanParameters):
    outcome: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/@+-]{1,128}$")] | None = Field(
        default=None, description="the unit that counts outcomes, such as tickets_resolved"
    )
    top: Annotated[int, InDigits] = Field(
        default=100, ge=1, le=TOP_MAX, description="agents that are told, the dearest first"
    )


class AgentRunsParameters(BaseModel):
    """Which runs of an agent are listed."""

    model_config = ConfigDict(extra="forbid")

    first: Day = Field(alias="from", description="runs whose last event is on this day or later")
    end: Day = Field(alias="to", description="exclusive")
    tenant: Slug | None = Field(default=None, description="of one tenant only")
    order: Order = "latest"
    limit: Annotated[int, InDigits] = Field(default=PAGE_DEFAULT, ge=1, le=PAGE_MAX)
    format: FileForm | None = Field(default=None, description="goes before the header `Accept`")


class RunTreeParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tenant: Slug | None = Field(default=None, description="whose run; must be named")
    format: FileForm | None = Field(default=None, description="goes before the header `Accept`")


def agents_router(database: Database, clock: Clock, settings: PricingSettings) -> APIRouter:
    """Return the routes of agents under `/v1`; each answer is true for one snapshot."""
    router = APIRouter(prefix="/v1", tags=["agents"])
    kept = timedelta(days=settings.pricing_runs_kept_days)

    @router.get("/agents", response_model=None, responses=answers(RosterRead))
    async def list_agents(
        parameters: Annotated[RosterParameters, Query()],
        caller: BillingReader,
        accept: Accept = "",
    ) -> Response:
        """List agents with what they and their runs used, cost and brought, and who owns them."""
        question = RosterQuestion(parameters.span, parameters.outcome, parameters.currency)
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            answer = await read_roster(connection, account, question)
        runs_from = utc_day(clock.now() - kept)

        def told() -> Response:
            read = roster_read(answer, top=parameters.top, runs_from=runs_from)
            return ROSTER.answer(read, parameters.format, accept)

        return await to_thread(told)

    _add_runs(router, database)
    _add_cards(router, database)
    return router


def _add_runs(router: APIRouter, database: Database) -> None:
    # Before the cards: their route would take `…/runs` for the end of a name.
    @router.get("/agents/{agent:path}/runs", response_model=None, responses=RUNS_ANSWERS)
    async def list_runs_of_agent(
        agent: AgentName,
        parameters: Annotated[AgentRunsParameters, Query()],
        caller: BillingReader,
        accept: Accept = "",
    ) -> Response:
        """List an agent's runs that ended in some days, the latest or the dearest first."""
        _, window = windows_of(Span(parameters.first, parameters.end))
        question = RunsQuestion(
            vendor_of(caller), agent, window, parameters.tenant, parameters.order
        )
        async with database.transaction("REPEATABLE READ") as connection:
            answer = await list_agent_runs(connection, question, limit=parameters.limit)
        return await to_thread(
            lambda: RUNS.answer(agent_runs_read(answer), parameters.format, accept)
        )

    @router.get("/runs/{run_id:path}/cost", response_model=None, responses=TREE_ANSWERS)
    async def get_run_cost(
        run_id: AgentName,
        parameters: Annotated[RunTreeParameters, Query()],
        caller: BillingReader,
        accept: Accept = "",
    ) -> Response:
        """Tell what a run cost: the whole tree that it belongs to, rolled up to the root."""
        account = vendor_of(caller)
        tenant = caller.tenant(parameters.tenant)
        async with database.transaction("REPEATABLE READ") as connection:
            answer = await read_run_tree(connection, account, tenant, run_id)
        return await to_thread(
            lambda: TREE.answer(run_tree_read(answer), parameters.format, accept)
        )


def _add_cards(router: APIRouter, database: Database) -> None:
    @router.put("/agents/{agent:path}")
    async def put_agent_card(
        agent: AgentName,
        written: AgentCardWrite,
        caller: AccountsWriter,
        key: OptionalIdempotencyKey = None,
    ) -> AgentCardRead:
        """Say who owns an agent, what it is for, and whether it is in use; the past is kept."""
        account = vendor_of(caller)
        async with database.transaction() as connection:
            return await once(
                connection,
                account,
                key,
                request=(f"agents/{agent}", written),
                answer=AgentCardRead,
                write=lambda: put_card(connection, account, agent, written, caller.key_id),
            )

    @router.get("/agents/{agent:path}")
    async def get_agent_card(
        agent: AgentName, caller: BillingReader, tenant: TenantName = None
    ) -> AgentCards:
        """Return the card that stands for an agent, and those before it."""
        account = vendor_of(caller)
        async with database.transaction() as connection:
            return await read_cards(connection, account, agent, tenant)
