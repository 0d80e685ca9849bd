"""Refusals as HTTP answers: problem documents (RFC 9457)."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from shared.errors import Fault, TallyrollError
from shared.faults import CODES, place_of, said

logger = structlog.get_logger()


class FaultDocument(BaseModel):
    """One thing that is wrong with an input, and its place in it."""

    code: str
    path: str
    message: str


class ProblemDocument(BaseModel):
    """A refusal (RFC 9457): a stable code, a sentence, every fault of the input at once."""

    type: str
    title: str
    status: int
    code: str
    message: str
    subject: str | None = None
    faults: list[FaultDocument] = []


def internal_error() -> TallyrollError:
    """Return what a client hears of a failure that is ours."""
    message = "Something failed on our side; the request can be sent again."
    return TallyrollError("internal_error", message, HTTPStatus.INTERNAL_SERVER_ERROR)


def _location(fault: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Return pydantic's location; of a union, the field that says which member is meant."""
    location = tuple(fault["loc"])
    if str(fault["type"]).startswith("union_tag"):
        return (*location, str(fault["ctx"]["discriminator"]).strip("'"))
    return location


def _place(location: tuple[int | str, ...], body: Any, *, is_missing: bool) -> str:
    """Return a place of the request as the client wrote it.

    In a body, which member of a union it was read as is no part of the place.
    """
    first, *parts = location
    if first == "body":
        parts = max(_spellings(parts, body, is_missing=is_missing), key=_likeness)[1]
    return place_of("", (first, *parts))


MISSING = frozenset({"missing", "union_tag_not_found"})
"""What is wrong with something that is not there: its place is no part of the body."""

Spelling = tuple[list[int], list[int | str]]
"""Which parts of a location are in a body, by their numbers, and these parts."""


def _spellings(
    parts: list[int | str], value: Any, *, is_missing: bool, number: int = 0
) -> Iterator[Spelling]:
    """Yield the ways to follow parts into a value, some of them left out."""
    if not parts:
        yield [], []
        return
    part, rest = parts[0], parts[1:]
    is_there = (isinstance(value, dict) and part in value) or (
        isinstance(value, list) and isinstance(part, int) and part < len(value)
    )
    if is_there or (is_missing and not rest):
        below = value[part] if is_there else None
        for numbers, path in _spellings(rest, below, is_missing=is_missing, number=number + 1):
            yield [number, *numbers], [part, *path]
    if isinstance(part, str):
        yield from _spellings(rest, value, is_missing=is_missing, number=number + 1)
    elif not is_there:
        yield [], []


def _likeness(spelling: Spelling) -> tuple[int, int]:
    """Order spellings: the one with most parts, and of these the one that goes on longest."""
    numbers, _ = spelling
    return len(numbers), sum(numbers)


def problem_response(error: TallyrollError) -> JSONResponse:
    """Return the answer to a refusal, for code that stands in front of the application."""
    return _answer(error, error.headers or None)


def _answer(error: TallyrollError, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        error.body(), int(error.status), media_type="application/problem+json", headers=headers
    )


async def _on_refusal(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TallyrollError)
    return problem_response(error)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The input itself is left out: it may hold names or keys.
    faults = [
        Fault(
            CODES.get(e["type"], e["type"]),
            _place(_location(e), error.body, is_missing=e["type"] in MISSING),
            said(e),
        )
        for e in error.errors()
    ]
    message = "The request does not have the documented form."
    return _answer(TallyrollError("invalid_request", message, faults=faults))


async def _on_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    refusal = TallyrollError(
        code=status.name.lower(), message=str(error.detail or status.phrase), status=status
    )
    return _answer(refusal, dict(error.headers) if error.headers else None)


async def _on_failure(request: Request, error: Exception) -> JSONResponse:
    logger.error("request_failed", path=request.url.path, exc_info=error)
    return _answer(internal_error())


def install_error_handlers(app: FastAPI) -> None:
    """Make every refusal of an app a problem document."""
    app.add_exception_handler(TallyrollError, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_failure)
