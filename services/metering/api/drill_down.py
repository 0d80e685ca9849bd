"""`GET /v1/events`: the single events behind a sum."""

import base64
import binascii
import json
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Query
from pydantic import Field

from services.metering.api.dependencies import Identifier, Needs, UsageReader
from services.metering.api.usage import Days
from services.metering.archive.drill_down import Cursor, Filters
from services.metering.repository.offsets import read_progress
from services.metering.schemas import EventsPage, LoggedEvent
from shared.errors import TallyrollError
from shared.topics import USAGE_RECORDED

EVENTS_PER_PAGE_MAX = 1_000
EVENTS_PER_PAGE = 100
CURSOR_CHARACTERS_MAX = 2_000
OFFSET_MAX = 2**62
EQUAL = ("agent", "model", "provider", "user", "run_id")

router = APIRouter(prefix="/v1")


class EventsParameters(Days):
    """Which events are listed, and which page of them."""

    agent: Identifier | None = None
    model: Identifier | None = None
    provider: Identifier | None = None
    user: Identifier | None = None
    run_id: Identifier | None = None
    kind: Identifier | None = Field(default=None, description="a token type or unit it counts")
    limit: int = Field(default=EVENTS_PER_PAGE, ge=1, le=EVENTS_PER_PAGE_MAX)
    cursor: str | None = Field(
        default=None,
        max_length=CURSOR_CHARACTERS_MAX,
        description="`next_cursor` of the page before",
    )

    def equal(self) -> dict[str, str]:
        """Return what the events have in common."""
        values = {name: getattr(self, name) for name in EQUAL}
        return {name: value for name, value in values.items() if value is not None}


@router.get("/events", tags=["events"], summary="Single events, page by page")
async def get_events(
    parameters: Annotated[EventsParameters, Query()], caller: UsageReader, needs: Needs
) -> EventsPage:
    """List what was counted, from the archive and, where it is not archived yet, from the log.

    `from` and `to` are UTC days of `occurred_at`. All pages together show what was counted when
    the first page was asked for.
    """
    asked = Filters(parameters.days(caller, needs.clock), parameters.equal(), parameters.kind)
    try:
        # What is counted has been judged: nothing that is shown is rejected later.
        async with needs.database.transaction() as connection:
            progress = await read_progress(connection, USAGE_RECORDED)
        ends = {partition: own.next_offset for partition, own in progress.items()}
        cursor = parameters.cursor
        begin = Cursor((0, -1, -1), ends) if cursor is None else _decode(cursor, ends)
        page = await needs.drill_down.read_page(asked, begin, limit=parameters.limit)
    except (KafkaError, OSError) as error:
        message = "The log cannot be read at the moment; the request can be sent again."
        status = HTTPStatus.SERVICE_UNAVAILABLE
        raise TallyrollError("broker_unavailable", message, status) from error
    events = [_shown(row) for row in page.events]
    return EventsPage(events=events, next_cursor=page.next and _encode(page.next))


def _encode(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def _decode(text: str, ends: dict[int, int]) -> Cursor:
    """Return a cursor that we gave out; it cannot reach beyond what is counted."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(packed, type=Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise _invalid_cursor() from error
    numbers = (*cursor.after, *cursor.ends.values())
    if not cursor.ends.keys() <= ends.keys() or any(not -1 <= n <= OFFSET_MAX for n in numbers):
        raise _invalid_cursor()
    return Cursor(cursor.after, {p: min(end, ends[p]) for p, end in cursor.ends.items()})


def _invalid_cursor() -> TallyrollError:
    message = "A cursor is the `next_cursor` of an earlier answer, unchanged."
    return TallyrollError("invalid_cursor", message, subject="cursor")


def _shown(row: dict[str, Any]) -> LoggedEvent:
    return LoggedEvent.model_validate(
        row
        | {
            "tenant": row["tenant_id"],
            "tokens": dict(zip(row["token_types"], row["token_counts"], strict=True)),
            "units": dict(zip(row["unit_names"], row["unit_quantities"], strict=True)),
            "tags": _object(row["tags"]) or {},
            "outcome": _object(row["outcome"]),
        }
    )


def _object(text: str) -> dict[str, Any] | None:
    """Return a JSON object; None for anything else that a producer wrote."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
