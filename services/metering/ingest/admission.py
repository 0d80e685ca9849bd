"""What stands in front of `POST /v1/events`: how many requests at once, how long a body may take.

Without both, slow or many clients would hold memory that nothing bounds.
"""

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.metering.ingest.gather import overloaded
from shared.errors import TallyrollError
from shared.problems import problem_response

PATH = "/v1/events"


class Admission:
    """ASGI middleware: refuses with 503 `overloaded` and 408 `body_timeout`."""

    def __init__(self, app: ASGIApp, *, requests_max: int, body_seconds_max: float) -> None:
        self._app = app
        self._requests_max = requests_max
        self._body_seconds_max = body_seconds_max
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._requests >= self._requests_max:
            refusal = overloaded("Too many requests are under way; send again.")
            await problem_response(refusal)(scope, receive, send)
            return
        self._requests += 1
        try:
            await self._app(scope, self._timed(receive), send)
        finally:
            self._requests -= 1

    def _timed(self, receive: Receive) -> Receive:
        """Return `receive` with one deadline for the whole body."""
        deadline = asyncio.get_running_loop().time() + self._body_seconds_max
        complete = False

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise _too_slow(self._body_seconds_max) from error
            complete = not message.get("more_body", False)
            return message

        return receive_in_time


def _too_slow(seconds_max: float) -> TallyrollError:
    message = f"The body did not arrive within {seconds_max:g} seconds."
    # What is still to come of the body is not read: the connection cannot be used again.
    headers = {"Connection": "close"}
    return TallyrollError("body_timeout", message, HTTPStatus.REQUEST_TIMEOUT, headers=headers)
