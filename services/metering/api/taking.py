"""Events of one request: judged, written to the log, answered."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from services.metering.api.dependencies import Dependencies
from services.metering.handlers import events as handlers
from shared.accounts.access import Caller
from shared.errors import TallyrollError

Answer = TypeVar("Answer")
_encode = msgspec.json.Encoder().encode


async def take_events(body: bytes, caller: Caller, needs: Dependencies) -> bytes:
    """Return the answer to a body, once the broker has acknowledged what is good of it."""
    placed, results = await with_tenants(handlers.accept_body(body, caller, needs.judging))
    await needs.gatherer.write(placed)
    return encode_results(results)


async def with_tenants(judging: Awaitable[Answer]) -> Answer:
    """Refuse with `accounts_unavailable` while tenants cannot be read."""
    try:
        return await judging
    except (SQLAlchemyError, OSError) as error:
        message = "Tenants cannot be checked at the moment; the request can be sent again."
        status = HTTPStatus.SERVICE_UNAVAILABLE
        raise TallyrollError("accounts_unavailable", message, status) from error


def encode_results(results: list[dict[str, Any]]) -> bytes:
    """Return the JSON that answers each event."""
    return _encode({"results": results})
