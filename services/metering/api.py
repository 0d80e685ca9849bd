"""The HTTP API of metering."""

from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import structlog
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from services.metering import handlers
from services.metering.domain.judge import Judged
from services.metering.handlers import EventQuestion, UsageQuestion, account_of
from services.metering.ingest.body import read_body
from services.metering.ingest.gather import Gatherer
from services.metering.ingest.log import LogEnds
from services.metering.openapi import EVENTS_OPENAPI, EVENTS_RESPONSES
from services.metering.repository.tenants import KnownTenants
from services.metering.repository.usage import Window
from services.metering.schemas import (
    DryRunResults,
    EventResults,
    EventState,
    RepublishAnswer,
    RepublishRequest,
    Statistics,
    UsageAnswer,
)
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.clock import Clock, utc_day
from shared.database import Database
from shared.errors import TallyrollError
from shared.ids import IDENTIFIER_PATTERN

logger = structlog.get_logger()

DAYS_SHOWN = 30
DAYS_MAX = 400

EventsWriter = Annotated[Caller, Depends(requires(Scope.EVENTS_WRITE))]
UsageReader = Annotated[Caller, Depends(requires(Scope.USAGE_READ))]
AccountsWriter = Annotated[Caller, Depends(requires(Scope.ACCOUNTS_WRITE))]
Name = Annotated[str, Query(pattern=IDENTIFIER_PATTERN.replace(r"\Z", "$"))]
EventId = Annotated[str, Path(pattern=IDENTIFIER_PATTERN.replace(r"\Z", "$"))]


@dataclass(frozen=True)
class Dependencies:
    """What the routes work with; put together in `app.py`."""

    database: Database
    gatherer: Gatherer
    ends: LogEnds
    tenants: KnownTenants
    clock: Clock
    partitions: int


def get_dependencies(request: Request) -> Dependencies:
    """Return what the running app was put together from."""
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


Needs = Annotated[Dependencies, Depends(get_dependencies)]
router = APIRouter(prefix="/v1")


@router.post(
    "/events",
    status_code=HTTPStatus.ACCEPTED,
    response_model=EventResults,
    responses={HTTPStatus.OK: {"model": DryRunResults}, **EVENTS_RESPONSES},
    openapi_extra=EVENTS_OPENAPI,
    tags=["events"],
    summary="Send token events",
)
async def post_events(
    request: Request,
    caller: EventsWriter,
    needs: Needs,
    *,
    dry_run: Annotated[
        bool, Query(description="answer what would be counted, write nothing")
    ] = False,
    content_encoding: Annotated[str, Header()] = "",
) -> Response:
    """Take one event, an array, or `{"events": […]}`; each is answered on its own.

    202 comes only after the broker has acknowledged every accepted event of the request. Sending
    an event again under the same id is safe, it is counted once.
    """
    # Two headers are one list: whoever reads only the first would unpack another body than we do.
    packings = request.headers.getlist("content-encoding")
    body = await read_body(request.stream(), ", ".join(packings) or content_encoding)
    judged = await _judge(body, caller, needs)
    if dry_run:
        results = [
            handlers.dry_result(index, verdict, caller, needs.partitions)
            for index, verdict in enumerate(judged)
        ]
        return _answer(HTTPStatus.OK, results)
    await needs.gatherer.write(handlers.place_all(judged, caller, needs.partitions))
    results = [handlers.result(index, verdict) for index, verdict in enumerate(judged)]
    return _answer(HTTPStatus.ACCEPTED, results)


async def _judge(body: bytes, caller: Caller, needs: Dependencies) -> list[Judged]:
    try:
        return await handlers.judge_body(body, caller, tenants=needs.tenants, clock=needs.clock)
    except (SQLAlchemyError, OSError) as error:
        message = "Tenants cannot be checked at the moment; the request can be sent again."
        status = HTTPStatus.SERVICE_UNAVAILABLE
        raise TallyrollError("accounts_unavailable", message, status) from error


def _answer(status: HTTPStatus, results: list[dict[str, Any]]) -> Response:
    body = msgspec.json.encode({"results": results})
    return Response(body, int(status), media_type="application/json")


@dataclass(frozen=True)
class UsageQuery:
    """The parameters that questions about usage share."""

    tenant: Annotated[Name | None, Query(description="one tenant; a vendor's key sees all")] = None
    first: Annotated[date | None, Query(alias="from", description="first usage day, inclusive")] = (
        None
    )
    end: Annotated[date | None, Query(alias="to", description="exclusive; default tomorrow")] = None

    def window(self, caller: Caller, clock: Clock) -> Window:
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


GroupBy = Annotated[str, Query(max_length=256, description="dimensions, separated by commas")]


def _dimensions(group_by: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in group_by.split(",") if name.strip())


@router.get("/usage", tags=["usage"], summary="Usage by tenant, agent, model, …")
async def get_usage(
    query: Annotated[UsageQuery, Depends()],
    caller: UsageReader,
    needs: Needs,
    *,
    group_by: GroupBy = "tenant,agent,model,kind",
) -> UsageAnswer:
    """Sum usage over a window of usage days. Rows are always told apart by `kind`."""
    question = UsageQuestion(query.window(caller, needs.clock), _dimensions(group_by))
    async with needs.database.transaction("REPEATABLE READ") as connection:
        return await handlers.read_usage(connection, question)


@router.get("/usage/by-user", tags=["usage"], summary="Usage by team and user")
async def get_usage_by_user(
    query: Annotated[UsageQuery, Depends()],
    caller: UsageReader,
    needs: Needs,
    *,
    group_by: GroupBy = "tenant,user,kind",
) -> UsageAnswer:
    """Sum usage by who caused it: team, user, agent, model, purpose."""
    question = UsageQuestion(query.window(caller, needs.clock), _dimensions(group_by), by_user=True)
    async with needs.database.transaction("REPEATABLE READ") as connection:
        return await handlers.read_usage(connection, question)


@router.get("/usage/statistics", tags=["usage"], summary="Counted, duplicates, rejected")
async def get_statistics(caller: UsageReader, needs: Needs) -> Statistics:
    """Tell how many events of the account were counted, seen twice and rejected."""
    caller.require_vendor_key()
    async with needs.database.transaction("REPEATABLE READ") as connection:
        return await handlers.read_statistics(connection, account_of(caller))


@router.get("/events/{event_id:path}", tags=["events"], summary="What became of an event")
async def get_event(
    event_id: EventId, caller: UsageReader, needs: Needs, *, tenant: Name | None = None
) -> EventState:
    """Tell where an event stands: pending, counted (and where), or rejected (and why)."""
    tenant_id = caller.tenant(tenant)
    try:
        # Before the database is read: else an event could be counted in between, and be denied.
        ends = await needs.ends.end_offsets()
    except (KafkaError, OSError) as error:
        message = "The log cannot be read at the moment; the request can be sent again."
        status = HTTPStatus.SERVICE_UNAVAILABLE
        raise TallyrollError("broker_unavailable", message, status) from error
    question = EventQuestion(account_of(caller), tenant_id, event_id, ends)
    async with needs.database.transaction("REPEATABLE READ") as connection:
        return await handlers.read_event_state(connection, question)


@router.post(
    "/republish",
    status_code=HTTPStatus.ACCEPTED,
    tags=["operations"],
    summary="Publish days again",
)
async def post_republish(
    written: RepublishRequest, caller: AccountsWriter, needs: Needs
) -> RepublishAnswer:
    """Have the sums and seals of these days sent again to whoever keeps a copy."""
    caller.require_vendor_key()
    async with needs.database.transaction() as connection:
        return await handlers.republish(connection, account_of(caller), written.days)
