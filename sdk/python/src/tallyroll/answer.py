"""What an answer of the server means for the events of a batch. Pure: no clock, no network."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from tallyroll.buffer import Batch
from tallyroll.stats import Rejection
from tallyroll.transport import Response

ACCEPTED = 202
REFUSED = frozenset({400, 413, 422})
"""The body is at fault. Any other status may pass (a wrong key gets replaced, a wrong path fixed,
a server comes back), so the events are held: a bad key must not delete money."""
FORBIDDEN = 403
WRONG_TENANT = "wrong_tenant"
"""The one 403 that blames an event: it names a tenant that its key is not bound to. Held, it would
hold up everything behind it for ever."""
RETRY_AFTER_SECONDS_MAX = 3600.0


class Settled(msgspec.Struct, frozen=True):
    """Every event has its final answer; those without a rejection are accepted."""

    rejections: Mapping[int, Rejection]
    """By the place of the event in its batch."""


class Refused(msgspec.Struct, frozen=True):
    """The server will never take this body: at least one of its events is at fault."""

    code: str
    field: str | None
    message: str | None


class Unknown(msgspec.Struct, frozen=True):
    """No final answer: the same bytes have to be sent again."""

    failure: str
    retry_after: float | None = None
    """Seconds that the server asked to wait, 0 to RETRY_AFTER_SECONDS_MAX inclusive."""


class _Result(msgspec.Struct):
    index: int
    status: Literal["accepted", "duplicate", "rejected"]
    code: str | None = None
    field: str | None = None
    message: str | None = None


class _Results(msgspec.Struct):
    results: list[_Result]


class _PlaceInProblem(msgspec.Struct):
    path: str | None = None


class _Problem(msgspec.Struct):
    code: str | None = None
    message: str | None = None
    field: str | None = None
    subject: str | None = None
    faults: list[_PlaceInProblem] = []  # msgspec copies an empty default


def interpret(
    response: Response, batch: Batch, *, now: Callable[[], datetime]
) -> Settled | Refused | Unknown:
    """Judge an answer to a batch.

    A 202 must name each index of the batch exactly once; anything else is no answer at all.
    """
    if response.status == ACCEPTED:
        return _settled(response.body, batch)
    if response.status in REFUSED:
        return _refused(response)
    if response.status == FORBIDDEN and _problem(response.body).code == WRONG_TENANT:
        return _refused(response)
    return Unknown(f"http_{response.status}", retry_after(response.headers, now))


def _settled(body: bytes, batch: Batch) -> Settled | Unknown:
    try:
        results = msgspec.json.decode(body, type=_Results).results
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unknown("malformed_answer")
    if sorted(result.index for result in results) != list(range(len(batch))):
        return Unknown("malformed_answer")
    return Settled(
        {
            result.index: Rejection(
                event_id=batch.event_id(result.index),
                code=result.code or "rejected",
                field=result.field,
                message=result.message,
            )
            for result in results
            if result.status == "rejected"
        }
    )


def _problem(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Problem()


def _refused(response: Response) -> Refused:
    problem = _problem(response.body)
    place = problem.field or (problem.faults[0].path if problem.faults else None) or problem.subject
    return Refused(problem.code or f"http_{response.status}", place, problem.message)


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
    """Return the seconds that an answer asks to wait, None if it does not."""
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _seconds(value, now)
    return None if math.isnan(seconds) else min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)


def _seconds(value: str, now: Callable[[], datetime]) -> float:
    """Read seconds or an HTTP date; NaN if it is neither."""
    try:
        return float(value)
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  urllib3 has it already

    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return math.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - now()).total_seconds()
