"""Refusals as HTTP answers: problem documents (RFC 9457)."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from shared.errors import Fault, TallyrollError

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


def _place(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


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
        Fault(code=str(e["type"]), path=_place(tuple(e["loc"])), message=str(e["msg"]))
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
