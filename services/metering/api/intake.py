"""`POST /v1/events` without parameters, before the web framework: each of its layers costs.

`post_events` describes this route, and takes what has parameters.
"""

from collections.abc import AsyncIterator

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as RequestScope

from services.metering.api.dependencies import Dependencies
from services.metering.api.losses import LOSS_HEADER, note_loss
from services.metering.api.taking import take_events
from services.metering.ingest.admission import PATH
from services.metering.ingest.body import read_body
from shared.accounts.access import Access, bearer_token
from shared.accounts.keys import Scope
from shared.errors import TallyrollError
from shared.problems import internal_error, problem_response

logger = structlog.get_logger()

ACCEPTED = 202
NEEDED = (Scope.EVENTS_WRITE,)


class Intake:
    """ASGI: takes plain requests to send events, and hands on all others."""

    def __init__(self, api: FastAPI, app: ASGIApp) -> None:
        """`api` keeps in its state what the routes work with, `app` answers what is handed on."""
        self._state = api.state
        self._app = app

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["path"] != PATH
            or scope["method"] != "POST"
            or scope["query_string"]
        ):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._take(scope, receive)
        except ClientDisconnect:
            return
        except TallyrollError as error:
            await problem_response(error)(scope, receive, send)
            return
        except Exception:
            # Nobody else stands between this and the client.
            logger.exception("request_failed", path=PATH)
            await problem_response(internal_error())(scope, receive, send)
            return
        length = b"%d" % len(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": ACCEPTED, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _take(self, scope: RequestScope, receive: Receive) -> bytes:
        access: Access = self._state.access
        authorization, packings, lost = "", [], b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = authorization or value.decode("latin-1")
            elif name == b"content-encoding":
                packings.append(value.decode("latin-1"))
            elif name == LOSS_HEADER:
                lost = value
        caller = await access.authorise(bearer_token(authorization), NEEDED)
        if lost:
            note_loss(lost, caller)
        needs: Dependencies = self._state.dependencies
        # Two headers are one list: who reads only the first would unpack another body than we do.
        body = await read_body(_chunks(receive), ", ".join(packings))
        return await take_events(body, caller, needs)


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)
