"""Errors that people and programs can act on: a stable code, a sentence, the offending place."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

logger = structlog.get_logger()


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input.

    `path` is the place in the input ("charges[2].tiers[0].up_to"), or the offending id.
    """

    code: str
    path: str
    message: str


@dataclass
class TallyrollError(Exception):
    """A refusal with a stable snake_case code; `faults` lists every fault of the input at once."""

    code: str
    message: str
    status: HTTPStatus = HTTPStatus.BAD_REQUEST
    subject: str | None = None
    faults: list[Fault] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def body(self) -> dict[str, Any]:
        """Return the problem document (RFC 9457 names) that a client receives."""
        document: dict[str, Any] = {
            "type": f"https://tallyroll.dev/errors/{self.code}",
            "title": self.code.replace("_", " "),
            "status": int(self.status),
            "code": self.code,
            "message": self.message,
        }
        if self.subject is not None:
            document["subject"] = self.subject
        if self.faults:
            document["faults"] = [
                {"code": f.code, "path": f.path, "message": f.message} for f in self.faults
            ]
        return document


def not_found(kind: str, identity: str) -> TallyrollError:
    """Return the refusal for something that does not exist, or not for this caller."""
    return TallyrollError(
        code=f"unknown_{kind}",
        message=f"There is no {kind.replace('_', ' ')} {identity!r}.",
        status=HTTPStatus.NOT_FOUND,
        subject=identity,
    )


def conflict(code: str, message: str, *, subject: str | None = None) -> TallyrollError:
    """Return the refusal for a write that contradicts what is already there."""
    return TallyrollError(code=code, message=message, status=HTTPStatus.CONFLICT, subject=subject)


def _place(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _answer(error: TallyrollError, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        error.body(), int(error.status), media_type="application/problem+json", headers=headers
    )


async def _on_refusal(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TallyrollError)
    return _answer(error)


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
    return _answer(
        TallyrollError(
            code="internal_error",
            message="Something failed on our side; the request can be sent again.",
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
        )
    )


def install_error_handlers(app: FastAPI) -> None:
    """Make every refusal of an app a problem document."""
    app.add_exception_handler(TallyrollError, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_failure)
