"""Breaking a connection instead of answering: what a client sees when a server dies."""

from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_RAW_SEND = "stripe_simulator.raw_send"


class RawSend:
    """Outermost layer: remembers the server's own `send`, the way to the connection."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_RAW_SEND] = send
        await self.app(scope, receive, send)


class DroppedConnection(Response):
    """Resets the connection under uvicorn; under another server the request raises."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle: Any = getattr(scope.get(_RAW_SEND, send), "__self__", None)
        transport = getattr(cycle, "transport", None)
        if transport is None:
            raise ConnectionResetError("the simulator drops this connection")
        transport.abort()
        # Until the server has noticed, returning would make it answer 500.
        while (await receive())["type"] != "http.disconnect":
            pass
