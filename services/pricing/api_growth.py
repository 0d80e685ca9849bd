"""The HTTP API of pricing: what growth is made of, and what each part made of it."""

import json
from asyncio import to_thread
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.pricing.api import BillingReader, vendor_of
from services.pricing.contribution_plots import contribution_plot
from services.pricing.domain.growth.windows import Step
from services.pricing.growth_files import (
    contribution_csv,
    enablement_csv,
    growth_csv,
    roster_csv,
)
from services.pricing.growth_plots import enablement_plot, growth_plot, roster_plot
from services.pricing.handlers.agents import RosterQuestion, read_roster
from services.pricing.handlers.growth import contribution, enablement, growth
from services.pricing.handlers.growth.contribution import ContributionQuestion, Dimension, Of
from services.pricing.handlers.growth.enablement import EnablementQuestion
from services.pricing.handlers.growth.growth import GrowthQuestion, Total
from services.pricing.handlers.growth.sides import Unit
from services.pricing.handlers.growth.windows import Against, Span
from services.pricing.plotting import Spec
from services.pricing.schemas.agents import RosterRead, roster_read
from services.pricing.schemas.fields import Day, InDigits
from services.pricing.schemas.growth.contribution import ContributionsRead, contributions_read
from services.pricing.schemas.growth.enablement import (
    DEFAULT_PROGRAM,
    EnablementRead,
    enablement_read,
)
from services.pricing.schemas.growth.growth import GrowthRead, growth_read
from shared.database import Database
from shared.ids import Slug

CSV_TYPE = "text/csv"
PLOT_TYPE = "application/vnd.vegalite.v5+json"
TOP_MAX = 1_000
DAYS_MAX = 180

Form = Literal["json", "csv", "vega-lite"]
Read = TypeVar("Read", bound=BaseModel)
Accept = Annotated[str, Header(include_in_schema=False)]
Named = Annotated[Form | None, Field(default=None, description="goes before the header `Accept`")]
Currency = Annotated[
    str | None,
    Field(
        default=None,
        pattern=r"^[A-Z]{3}$",
        description="of revenue; needed where statements have several",
    ),
]


class SpanParameters(BaseModel):
    """Days `[from, to)`, and those that they are compared with."""

    model_config = ConfigDict(extra="forbid")

    first: Day = Field(alias="from", description="inclusive")
    end: Day = Field(alias="to", description="exclusive")
    against: Against = Field(
        default="before",
        description="before: as long a span just before (months before whole months)",
    )
    base_first: Day | None = Field(default=None, alias="base_from", description="instead")
    base_end: Day | None = Field(default=None, alias="base_to")
    format: Named
    currency: Currency

    @property
    def span(self) -> Span:
        """The days as a question has them."""
        return Span(self.first, self.end, self.against, self.base_first, self.base_end)


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


class RosterParameters(SpanParameters):
    outcome: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/@+-]{1,128}$")] | None = Field(
        default=None, description="the unit that counts outcomes, such as tickets_resolved"
    )
    top: Annotated[int, InDigits] = Field(
        default=100, ge=1, le=TOP_MAX, description="agents that are told, the dearest first"
    )


@dataclass(frozen=True)
class _Forms:
    """How a kind of answer is written as a file and as a plot."""

    name: str
    csv: Callable[[Any], str]
    plot: Callable[[Any], Spec]

    def answer(self, read: BaseModel, named: Form | None, accept: str) -> Response:
        """Return an answer in the named form, else the first accepted one, else as JSON."""
        form = named or _accepted(accept)
        if form == "csv":
            disposition = f'attachment; filename="{self.name}.csv"'
            headers = {"Content-Disposition": disposition}
            media = f"{CSV_TYPE}; charset=utf-8"
            return Response(self.csv(read), media_type=media, headers=headers)
        if form == "vega-lite":
            return Response(json.dumps(self.plot(read)), media_type=PLOT_TYPE)
        return Response(read.model_dump_json(by_alias=True), media_type="application/json")


def _accepted(accept: str) -> Form:
    forms: dict[str, Form] = {
        CSV_TYPE: "csv",
        PLOT_TYPE: "vega-lite",
        "application/json": "json",
    }
    wanted = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return next((forms[media] for media in wanted if media in forms), "json")


GROWTH = _Forms("growth", growth_csv, growth_plot)
CONTRIBUTION = _Forms("contribution", contribution_csv, contribution_plot)
ROSTER = _Forms("agents", roster_csv, roster_plot)
ENABLEMENT = _Forms("enablement", enablement_csv, enablement_plot)


def _answers(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {CSV_TYPE: {}, PLOT_TYPE: {}}
    return {200: {"model": model, "content": content}}


def growth_router(database: Database) -> APIRouter:
    """Return the routes that tell of growth, under `/v1`; each answer is true for one snapshot."""
    router = APIRouter(prefix="/v1", tags=["growth"])
    _add_contribution(router, database)
    _add_enablement(router, database)
    _add_roster(router, database)

    @router.get("/growth", response_model=None, responses=_answers(GrowthRead))
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
    @router.get("/contribution", response_model=None, responses=_answers(ContributionsRead))
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
    @router.get("/enablement", response_model=None, responses=_answers(EnablementRead))
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


def _add_roster(router: APIRouter, database: Database) -> None:
    @router.get("/agents", response_model=None, responses=_answers(RosterRead))
    async def list_agents(
        parameters: Annotated[RosterParameters, Query()],
        caller: BillingReader,
        accept: Accept = "",
    ) -> Response:
        """List agents with what they used, cost and brought in, and what an outcome cost."""
        question = RosterQuestion(parameters.span, parameters.outcome, parameters.currency)
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            answer = await read_roster(connection, account, question)
        return ROSTER.answer(roster_read(answer, top=parameters.top), parameters.format, accept)
