"""Usage by dimensions and windows, as JSON, CSV or Arrow."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.metering.api.dependencies import Dependencies, Identifier, Needs, UsageReader
from services.metering.api.formats import (
    ARROW_TYPE,
    CSV_TYPE,
    Format,
    as_arrow,
    as_csv,
    as_json,
    choose_format,
)
from services.metering.domain.rollups import Step
from services.metering.handlers import usage as handlers
from services.metering.handlers.events import account_of
from services.metering.handlers.usage import ROWS_MAX, UsageQuestion
from services.metering.repository.usage import Window
from services.metering.schemas import Statistics, UsageAnswer
from shared.accounts.access import Caller
from shared.clock import Clock, utc_day
from shared.errors import TallyrollError

DAYS_SHOWN = 30
DAYS_MAX = 400
ROWS_IN_FILES_MAX = 200_000
VALUES_MAX = 100
FILTERS = (
    *("agent", "model", "kind", "provider", "user", "team", "purpose", "status", "region"),
    *("service_tier", "context_band", "speed"),
)

router = APIRouter(prefix="/v1", tags=["usage"])


class Days(BaseModel):
    """Whose usage, and of which usage days."""

    model_config = ConfigDict(extra="forbid")

    tenant: Identifier | None = Field(
        default=None, description="one tenant; a vendor's key sees all"
    )
    first: date | None = Field(default=None, alias="from", description="usage day, inclusive")
    end: date | None = Field(default=None, alias="to", description="exclusive; default tomorrow")

    def days(self, caller: Caller, clock: Clock) -> Window:
        """Return whose days are asked for; 30 days up to today unless said otherwise."""
        tenant = self.tenant
        if tenant is not None or caller.tenant_id is not None:
            tenant = caller.tenant(tenant)
        end = self.end or utc_day(clock.now()) + timedelta(days=1)
        first = self.first or end - timedelta(days=min(DAYS_SHOWN, end.toordinal() - 1))
        if not 0 < (end - first).days <= DAYS_MAX:
            message = f"A window has 1 to {DAYS_MAX} days, `from` before `to`."
            raise TallyrollError("invalid_window", message)
        return Window(account_of(caller), tenant, first, end)


Values = Annotated[
    list[Annotated[str, Field(max_length=128, pattern=r"^[^\x00]*$")]],
    Field(max_length=VALUES_MAX, description="only these; may be repeated, any of the values"),
]


class UsageParameters(Days):
    """What is asked of usage: dimensions, windows and filters."""

    group_by: str = Field(
        default="tenant,agent,model,kind",
        max_length=256,
        description="dimensions, separated by commas; rows are always told apart by `kind`",
    )
    window: Step | None = Field(default=None, description="rows get a `window_start`, UTC")
    format: Format | None = Field(default=None, description="goes before the header `Accept`")
    agent: Values = []
    model: Values = []
    kind: Values = []
    provider: Values = []
    user: Values = []
    team: Values = []
    purpose: Values = []
    status: Values = []
    region: Values = []
    service_tier: Values = []
    context_band: Values = []
    speed: Values = []

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The names in `group_by`."""
        return tuple(name.strip() for name in self.group_by.split(",") if name.strip())

    @property
    def filters(self) -> dict[str, list[str]]:
        """The filters that are set."""
        return {name: values for name in FILTERS if (values := getattr(self, name))}


class UserParameters(UsageParameters):
    """As `UsageParameters`, for the sums by user."""

    group_by: str = Field(
        default="tenant,user,kind",
        max_length=256,
        description="dimensions, separated by commas; rows are always told apart by `kind`",
    )


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": UsageAnswer,
        "description": "CSV and Arrow carry the watermark in the header `Tallyroll-As-Of`",
        "content": {CSV_TYPE: {}, ARROW_TYPE: {}},
    },
    400: {
        "description": "`invalid_request` with every parameter that is unknown or wrong; "
        "`invalid_window`, `unknown_dimension`, `unknown_combination`, `too_many_rows`"
    },
}


@router.get(
    "/usage", response_model=None, responses=_ANSWERS, summary="Usage by tenant, agent, model, …"
)
async def get_usage(
    parameters: Annotated[UsageParameters, Query()],
    caller: UsageReader,
    needs: Needs,
    *,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Sum usage over a span of usage days. Rows are always told apart by `kind`.

    The rollup that answers is chosen by what is asked: `user` and `team` are kept by day, without
    what prices depend on.
    """
    return await _answer(parameters, caller, needs, accept=accept)


@router.get(
    "/usage/by-user", response_model=None, responses=_ANSWERS, summary="Usage by team and user"
)
async def get_usage_by_user(
    parameters: Annotated[UserParameters, Query()],
    caller: UsageReader,
    needs: Needs,
    *,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Sum usage by who caused it: team, user, agent, model, purpose."""
    return await _answer(parameters, caller, needs, accept=accept, by_user=True)


async def _answer(
    parameters: UsageParameters,
    caller: Caller,
    needs: Dependencies,
    *,
    accept: str,
    by_user: bool = False,
) -> Response:
    form = choose_format(parameters.format, accept)
    question = UsageQuestion(
        parameters.days(caller, needs.clock),
        parameters.dimensions,
        by_user=by_user,
        step=parameters.window,
        filters=parameters.filters,
        rows_max=ROWS_MAX if form == "json" else ROWS_IN_FILES_MAX,
    )
    async with needs.database.transaction("REPEATABLE READ") as connection:
        sums = await handlers.read_usage(connection, question)
    write = {"json": as_json, "csv": as_csv, "arrow": as_arrow}[form]
    return write(sums, question.window)


@router.get("/usage/statistics", summary="Counted, duplicates, rejected")
async def get_statistics(caller: UsageReader, needs: Needs) -> Statistics:
    """Tell how many events of the account were counted, seen twice and rejected."""
    caller.require_vendor_key()
    async with needs.database.transaction("REPEATABLE READ") as connection:
        return await handlers.read_statistics(connection, account_of(caller))
