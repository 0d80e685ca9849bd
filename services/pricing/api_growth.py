"""The HTTP API of pricing: what growth is made of, and what each part made of it."""

from asyncio import to_thread
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.pricing.api import BillingReader, vendor_of
from services.pricing.api_forms import Accept, Forms, Named, SpanParameters, answers
from services.pricing.contribution_plots import contribution_plot
from services.pricing.domain.growth.windows import Step
from services.pricing.growth_files import (
    contribution_csv,
    enablement_csv,
    growth_csv,
)
from services.pricing.growth_plots import enablement_plot, growth_plot
from services.pricing.handlers.growth import contribution, enablement, growth
from services.pricing.handlers.growth.contribution import ContributionQuestion, Dimension, Of
from services.pricing.handlers.growth.enablement import EnablementQuestion
from services.pricing.handlers.growth.growth import GrowthQuestion, Total
from services.pricing.handlers.growth.sides import Unit
from services.pricing.schemas.fields import InDigits
from services.pricing.schemas.growth.contribution import ContributionsRead, contributions_read
from services.pricing.schemas.growth.enablement import (
    DEFAULT_PROGRAM,
    EnablementRead,
    enablement_read,
)
from services.pricing.schemas.growth.growth import GrowthRead, growth_read
from shared.database import Database
from shared.ids import Slug

TOP_MAX = 1_000
DAYS_MAX = 180


class GrowthParameters(SpanParameters):
    of: Total = "tokens"
    unit: Unit = Field(default="user", description="whose number is the breadth")


class ContributionParameters(SpanParameters):
    of: Of = "revenue"
    by: Dimension = "tenant"
    each: Step | None = Field(
        default=None, description="compares every month, quarter or year of the days"
    )
    top: Annotated[int, InDigits] = Field(
        default=20, ge=1, le=TOP_MAX, description="parts that are named; the rest is one"
    )


class EnablementParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    program: Slug = DEFAULT_PROGRAM
    days: Annotated[int, InDigits] = Field(
        default=28, ge=1, le=DAYS_MAX, description="before, and after, each day of training"
    )
    cluster: Literal["user", "tenant"] = Field(
        default="user", description="whose figures move together"
    )
    format: Named


GROWTH = Forms("growth", growth_csv, growth_plot)
CONTRIBUTION = Forms("contribution", contribution_csv, contribution_plot)
ENABLEMENT = Forms("enablement", enablement_csv, enablement_plot)


def growth_router(database: Database) -> APIRouter:
    """Return the routes that tell of growth, under `/v1`; each answer is true for one snapshot."""
    router = APIRouter(prefix="/v1", tags=["growth"])
    _add_contribution(router, database)
    _add_enablement(router, database)

    @router.get("/growth", response_model=None, responses=answers(GrowthRead))
    async def get_growth(
        parameters: Annotated[GrowthParameters, Query()],
        caller: BillingReader,
        accept: Accept = "",
    ) -> Response:
        """Split the growth of tokens or revenue by factor and by cohort, without a residual."""
        question = GrowthQuestion(
            parameters.span, parameters.of, parameters.unit, parameters.currency
        )
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            answer = await growth.read_growth(connection, account, question)
        return await to_thread(
            lambda: GROWTH.answer(growth_read(answer), parameters.format, accept)
        )

    return router


def _add_contribution(router: APIRouter, database: Database) -> None:
    @router.get("/contribution", response_model=None, responses=answers(ContributionsRead))
    async def get_contribution(
        parameters: Annotated[ContributionParameters, Query()],
        caller: BillingReader,
        accept: Accept = "",
    ) -> Response:
        """Tell how much of the growth of revenue, tokens or cost each part made."""
        question = ContributionQuestion(
            parameters.span,
            parameters.of,
            parameters.by,
            parameters.each,
            parameters.currency,
            parameters.top,
        )
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            answer = await contribution.read_contribution(connection, account, question)
        return await to_thread(
            lambda: CONTRIBUTION.answer(contributions_read(answer), parameters.format, accept)
        )


def _add_enablement(router: APIRouter, database: Database) -> None:
    @router.get("/enablement", response_model=None, responses=answers(EnablementRead))
    async def get_enablement(
        parameters: Annotated[EnablementParameters, Query()],
        caller: BillingReader,
        accept: Accept = "",
    ) -> Response:
        """Tell what training changed, against those who were not trained, with an interval."""
        question = EnablementQuestion(parameters.program, parameters.days, parameters.cluster)
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            answer = await enablement.read_enablement(connection, account, question)
        return await to_thread(
            lambda: ENABLEMENT.answer(enablement_read(answer), parameters.format, accept)
        )
