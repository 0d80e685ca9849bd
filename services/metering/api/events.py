"""Events in, and what became of them."""

from http import HTTPStatus
from typing import Annotated

from aiokafka.errors import KafkaError
from fastapi import APIRouter, Header, Path, Query, Request, Response

from services.metering.api.dependencies import (
    AccountsWriter,
    EventsWriter,
    Name,
    Needs,
    UsageReader,
)
from services.metering.api.taking import encode_results, take_events, with_tenants
from services.metering.handlers import events as handlers
from services.metering.handlers.events import EventQuestion, account_of
from services.metering.handlers.instruments import with_differences
from services.metering.ingest.body import read_body
from services.metering.openapi import EVENTS_OPENAPI, EVENTS_RESPONSES
from services.metering.schemas import (
    DryRunResults,
    EventResults,
    EventState,
    RepublishAnswer,
    RepublishRequest,
)
from shared.errors import TallyrollError
from shared.ids import IDENTIFIER_PATTERN

EventId = Annotated[str, Path(pattern=IDENTIFIER_PATTERN.replace(r"\Z", "$"))]
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
    content_encoding: Annotated[str, Header()] = "",  # noqa: ARG001 - documented here
) -> Response:
    """Take one event, an array, or `{"events": […]}`; each is answered on its own.

    202 comes only after the broker has acknowledged every accepted event of the request. Sending
    an event again under the same id is safe, it is counted once.
    """
    # Two headers are one list: who reads only the first would unpack another body than we do.
    packings = request.headers.getlist("content-encoding")
    body = await read_body(request.stream(), ", ".join(packings))
    if not dry_run:
        return _answer(HTTPStatus.ACCEPTED, await take_events(body, caller, needs))
    judged = await with_tenants(handlers.judge_body(body, caller, needs.judging))
    results = [
        handlers.dry_result(index, verdict, caller, needs.partitions)
        for index, verdict in enumerate(judged)
    ]
    return _answer(HTTPStatus.OK, encode_results(results))


def _answer(status: HTTPStatus, body: bytes) -> Response:
    return Response(body, int(status), media_type="application/json")


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
        raise _unreadable_log() from error
    question = EventQuestion(account_of(caller), tenant_id, event_id, ends)
    async with needs.database.transaction("REPEATABLE READ") as connection:
        state = await handlers.read_event_state(connection, question)
    try:
        return await with_differences(state, needs.lookup)
    except (KafkaError, OSError) as error:
        raise _unreadable_log() from error


def _unreadable_log() -> TallyrollError:
    message = "The log cannot be read at the moment; the request can be sent again."
    return TallyrollError("broker_unavailable", message, HTTPStatus.SERVICE_UNAVAILABLE)


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
