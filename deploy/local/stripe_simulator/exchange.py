"""One HTTP request as it came in, and what goes back: plain ASGI, or a broken connection."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.faults import FaultRule
from deploy.local.stripe_simulator.forms import Raw

BODY_BYTES_MAX = 4 * 1024 * 1024
SILENCE_SECONDS_MAX = 600
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?")


class ClientGoneError(Exception):
    """The client closed its connection before its request was complete."""


@dataclass
class Exchange:
    """One request on its way through; `outcome` and `fault` go into the request log."""

    scope: Scope
    receive: Receive
    send: Send
    request_id: str
    headers: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    account: str = ""
    raw: dict[str, Raw] = field(default_factory=dict)
    fault: FaultRule | None = None
    outcome: str = "refused"
    status: int | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]
        }

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        return str(self.scope["path"])

    def has_fault(self, *names: str) -> bool:
        return self.fault is not None and self.fault.fault in names

    @property
    def base_url(self) -> str:
        """The address the client used, or the server's own if its Host header is garbage."""
        host = self.headers.get("host", "")
        if _HOST.fullmatch(host) is None:
            name, port = self.scope.get("server") or ("127.0.0.1", 80)
            host = f"{name}:{port}"
        return f"{self.scope['scheme']}://{host}"

    async def body(self) -> bytes:
        parts, size, more = [], 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > BODY_BYTES_MAX:
                raise StripeError("The request's body is too large.", status=413)
            more = message.get("more_body", False)
        return b"".join(parts)

    async def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status = status
        await self.send(_start(status, headers, length=len(body)))
        await self.send({"type": "http.response.body", "body": body})

    async def cut_short(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Promise the whole body, send half of it, and break the connection."""
        await self.send(_start(status, headers, length=len(body)))
        half = {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        await self.send(half)
        await self.drop()

    async def stay_silent(self) -> None:
        """Never answer: the client runs into its time limit, ten minutes at most."""
        async with asyncio.timeout(SILENCE_SECONDS_MAX):
            await self._disconnected()

    async def drop(self) -> None:
        """Reset the connection under uvicorn; under another server the request raises."""
        cycle: Any = getattr(self.send, "__self__", None)
        transport = getattr(cycle, "transport", None)
        if transport is None:
            raise ConnectionResetError("the simulator drops this connection")
        transport.abort()
        # Until the server has noticed, returning would make it answer 500.
        await self._disconnected()

    async def _disconnected(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _start(status: int, headers: dict[str, str], *, length: int) -> dict[str, Any]:
    named = {"content-length": str(length), **headers}
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in named.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded}
