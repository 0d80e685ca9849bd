"""Usage by run of an agent, with what the runs below it used."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.metering.api.dependencies import Identifier, Name, Needs, UsageReader
from services.metering.handlers import runs as handlers
from services.metering.handlers.events import account_of
from services.metering.repository.runs import RunCondition
from services.metering.schemas import RunAnswer, RunsAnswer
from shared.accounts.access import Caller
from shared.clock import day_start
from shared.ids import IDENTIFIER_PATTERN

RUNS_SHOWN = 100
RUNS_MAX = 500
VALUES_MAX = 100
RunId = Annotated[str, Path(pattern=IDENTIFIER_PATTERN.replace(r"\Z", "$"))]
Values = Annotated[
    list[Identifier],
    Field(max_length=VALUES_MAX, description="only these; may be repeated, any of the values"),
]

router = APIRouter(prefix="/v1", tags=["usage"])


class RunsParameters(BaseModel):
    """Which runs are listed."""

    model_config = ConfigDict(extra="forbid")

    tenant: Identifier | None = Field(default=None, description="a vendor's key must name it")
    agent: Values = []
    status: Values = []
    parent_run_id: Values = []
    first: date | None = Field(
        default=None, alias="from", description="runs with an event on or after this day"
    )
    end: date | None = Field(
        default=None, alias="to", description="runs that began before this day"
    )
    limit: int = Field(default=RUNS_SHOWN, ge=1, le=RUNS_MAX)
    cursor: str | None = Field(default=None, max_length=512, description="`next_cursor`")

    def condition(self, caller: Caller) -> RunCondition:
        """Return which runs are asked for."""
        filters = {
            "agents": self.agent,
            "status": self.status,
            "parent_run_id": self.parent_run_id,
        }
        return RunCondition(
            account_of(caller),
            caller.tenant(self.tenant),
            {name: values for name, values in filters.items() if values},
            first=None if self.first is None else day_start(self.first),
            end=None if self.end is None else day_start(self.end),
        )


@router.get("/runs", summary="Runs of a tenant, latest first")
async def get_runs(
    parameters: Annotated[RunsParameters, Query()], caller: UsageReader, needs: Needs
) -> RunsAnswer:
    """List runs with their own sums and those of their tree; a run is kept for 90 days."""
    condition = parameters.condition(caller)
    async with needs.database.transaction("REPEATABLE READ") as connection:
        return await handlers.list_runs(
            connection, condition, cursor=parameters.cursor, limit=parameters.limit
        )


@router.get("/runs/{run_id:path}", summary="One run")
async def get_run(
    run_id: RunId, caller: UsageReader, needs: Needs, *, tenant: Name | None = None
) -> RunAnswer:
    """Tell what a run used, itself and with all runs below it."""
    condition = RunCondition(account_of(caller), caller.tenant(tenant))
    async with needs.database.transaction("REPEATABLE READ") as connection:
        return await handlers.read_run(connection, condition, run_id)
