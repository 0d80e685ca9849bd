"""The HTTP API of pricing: the roster of agents."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from services.pricing.api import BillingReader, vendor_of
from services.pricing.api_forms import Accept, Forms, SpanParameters, answers
from services.pricing.api_growth import TOP_MAX
from services.pricing.growth_files import roster_csv
from services.pricing.growth_plots import roster_plot
from services.pricing.handlers.agents import RosterQuestion, read_roster
from services.pricing.schemas.agents import RosterRead, roster_read
from services.pricing.schemas.fields import InDigits
from services.pricing.settings import PricingSettings
from shared.clock import Clock, utc_day
from shared.database import Database

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

    return router
