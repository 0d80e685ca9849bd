"""The HTTP API of pricing: the roster of agents."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from services.pricing.api import BillingReader, vendor_of
from services.pricing.api_forms import Accept, Forms, SpanParameters, answers
from services.pricing.api_growth import TOP_MAX
from services.pricing.growth_files import roster_csv
from services.pricing.growth_plots import roster_plot
from services.pricing.handlers.agent_cards import put_card, read_cards
from services.pricing.handlers.agents import RosterQuestion, read_roster
from services.pricing.handlers.idempotency import once
from services.pricing.schemas.agent_card import AgentCardRead, AgentCards, AgentCardWrite
from services.pricing.schemas.agents import RosterRead, roster_read
from services.pricing.schemas.fields import InDigits
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
ROSTER = Forms("agents", roster_csv, roster_plot)


class RosterParameters(SpanParameters):
    outcome: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/@+-]{1,128}$")] | None = Field(
        default=None, description="the unit that counts outcomes, such as tickets_resolved"
    )
    top: Annotated[int, InDigits] = Field(
        default=100, ge=1, le=TOP_MAX, description="agents that are told, the dearest first"
    )


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
        read = roster_read(answer, top=parameters.top, runs_from=runs_from)
        return ROSTER.answer(read, parameters.format, accept)

    _add_cards(router, database)
    return router


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
