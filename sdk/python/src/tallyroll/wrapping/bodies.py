"""Bodies of HTTP responses that are seen as they are read, for callers who read them themselves.

They are those of `httpx`, and of the `httpx2` that newer SDKs bring along.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

from tallyroll.usage.surface import Json
from tallyroll.wrapping.proxy import Proxy
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.routes import Route, See

KEPT_BYTES_MAX = 64 * 1024 * 1024
"""A body that is longer is not read for its usage."""


def tell_body(request: Request, route: Route, body: bytes, *, whole: bool) -> None:
    """Tell what a body says: JSON, or anything else that has no usage in it."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        request.answered(route.pick(answer))
    elif whole:
        request.answered({})
    else:
        request.ended()


def tell_events(request: Request, see: See, body: bytes) -> None:
    """Tell what the server-sent events of a body say, if it ends in the middle of one or not."""
    for line in body.splitlines():
        if line.startswith(b"data:") and (chunk := _object(line[5:])) is not None:
            said, _hidden = see(chunk)
            if said is not None:
                request.chunk(said)
    request.ended()


def _object(text: bytes) -> Json | None:
    try:
        found = json.loads(text)
    except ValueError:  # `[DONE]`, or the connection broke
        return None
    return found if isinstance(found, dict) else None


class SeenBody(Proxy):
    """The bytes of a response on their way to the caller, told when it is closed."""

    def __init__(self, response: Any, request: Request, route: Route, see: See | None) -> None:
        super().__init__(response.stream)
        self._tallyroll_request, self._tallyroll_route = request, route
        self._tallyroll_see = see
        # Not the response itself: the two would keep each other, and its connection, from release.
        kind: Callable[..., Any] = type(response)
        self._tallyroll_rebuilt = partial(kind, 200, headers=response.headers)
        self._tallyroll_parts: list[bytes] = []
        self._tallyroll_room = KEPT_BYTES_MAX
        self._tallyroll_whole = self._tallyroll_parsed = False
        response.stream = self

    def tallyroll_parsed(self) -> None:
        """Keep nothing more: the SDK parses what is read, and that is seen."""
        self._tallyroll_parsed = True
        self._tallyroll_parts.clear()

    def _tallyroll_keep(self, part: bytes) -> None:
        if self._tallyroll_parsed or self._tallyroll_request.told:
            return
        self._tallyroll_room -= len(part)
        if self._tallyroll_room < 0:
            self._tallyroll_parts.clear()
        else:
            self._tallyroll_parts.append(part)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._tallyroll_target:
            self._tallyroll_keep(part)
            yield part
        self._tallyroll_whole = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._tallyroll_target:
            self._tallyroll_keep(part)
            yield part
        self._tallyroll_whole = True

    def close(self) -> None:
        """Close the body; what the caller did not read is not counted."""
        try:
            self._tallyroll_target.close()
        finally:
            self._tallyroll_tell()

    async def aclose(self) -> None:
        """Close the body; what the caller did not read is not counted."""
        try:
            await self._tallyroll_target.aclose()
        finally:
            self._tallyroll_tell()

    def __del__(self) -> None:
        if "_tallyroll_whole" in self.__dict__:
            self._tallyroll_tell()

    def _tallyroll_tell(self) -> None:
        request = self._tallyroll_request
        if request.told or (self._tallyroll_parsed and request.reading):
            return  # closed by the SDK at its end: what has come may not have been parsed yet
        if not self._tallyroll_parsed:
            request.recorder.guard("body", self._tallyroll_read, None)
        request.ended()  # if the body did not say more

    def _tallyroll_read(self) -> None:
        response = self._tallyroll_rebuilt(content=b"".join(self._tallyroll_parts))
        self._tallyroll_parts.clear()
        request, see = self._tallyroll_request, self._tallyroll_see
        kind = response.headers.get("content-type", "")
        if see is not None and "event-stream" in kind:
            tell_events(request, see, response.content)
        else:
            whole = self._tallyroll_whole
            tell_body(request, self._tallyroll_route, response.content, whole=whole)
