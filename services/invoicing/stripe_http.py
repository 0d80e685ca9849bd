"""HTTP to Stripe over connections that stay open: a request costs a tenth of a general client's.

HTTP/1.1 by `httptools`, TLS by the standard library with the host's name checked. Nothing is resent
here: a connection that breaks is an error, and the SDK decides, under the same idempotency key.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import SplitResult, urlsplit

from httptools import HttpParserError, HttpResponseParser

BODY_BYTES_MAX = 64 * 1024 * 1024
IDLE_SECONDS_MAX = 30.0
_PORTS = {"http": 80, "https": 443}


class ConnectionFailed(Exception):  # noqa: N818 - it says what happened
    """No complete answer came; the request may have been executed."""


@dataclass
class HttpAnswer:
    """Status, headers by their names in lower case, body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _Connection(asyncio.Protocol):
    """One connection, one request at a time. The parser calls the methods `on_…`."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.usable = False
        self.idle_since = 0.0
        self._waiting: asyncio.Future[HttpAnswer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The loop of uvloop has transports of a class of its own.
        self.transport = cast("asyncio.Transport", transport)
        self.usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._fail(type(exc).__name__ if exc else "closed")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, AttributeError) as error:
            self.close()
            self._fail(type(error).__name__)

    async def exchange(self, request: bytes) -> HttpAnswer:
        """Send a request and return its whole answer; raises `ConnectionFailed`."""
        if self.transport is None or not self.usable:
            raise ConnectionFailed("closed")
        self._answer, self._parser = HttpAnswer(), HttpResponseParser(self)
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._waiting

    @property
    def answered(self) -> bool:
        """Whether the last request has its whole answer."""
        waiting = self._waiting
        return (
            waiting is not None
            and waiting.done()
            and not waiting.cancelled()
            and (waiting.exception() is None)
        )

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._answer.body += body
        if len(self._answer.body) > BODY_BYTES_MAX:
            self.close()
            self._fail("body_too_large")

    def on_message_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        self.usable = self.usable and self._parser.should_keep_alive()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._answer)

    def close(self) -> None:
        self.usable = False
        if self.transport is not None:
            self.transport.close()

    def _fail(self, what: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionFailed(what))


class HttpConnections:
    """Keeps connections by origin; closed at shutdown."""

    def __init__(self, *, timeout_seconds: float, tls: ssl.SSLContext) -> None:
        self._timeout_seconds = timeout_seconds
        self._tls = tls
        self._idle: dict[str, list[_Connection]] = {}

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes
    ) -> HttpAnswer:
        """Make one request; raises `ConnectionFailed` for whatever hinders an answer."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                connection = self._take(origin) or await self._open(parts)
                answer = await connection.exchange(_encoded(method, parts, headers, content))
        except (TimeoutError, OSError, ssl.SSLError) as error:
            raise ConnectionFailed(type(error).__name__) from error
        finally:
            # Also when cancelled: an answer that is still to come is not the next request's.
            self._give_back(origin, connection)
        return answer

    def _take(self, origin: str) -> _Connection | None:
        idle, now = self._idle.get(origin, []), asyncio.get_running_loop().time()
        while idle:
            connection = idle.pop()
            if connection.usable and now - connection.idle_since < IDLE_SECONDS_MAX:
                return connection
            connection.close()
        return None

    async def _open(self, parts: SplitResult) -> _Connection:
        assert parts.hostname is not None
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection,
            parts.hostname,
            parts.port or _PORTS[parts.scheme],
            ssl=self._tls if parts.scheme == "https" else None,
        )
        return connection

    def _give_back(self, origin: str, connection: _Connection | None) -> None:
        if connection is None:
            return
        if connection.usable and connection.answered:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.setdefault(origin, []).append(connection)
        else:
            connection.close()

    def close(self) -> None:
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()


def _encoded(method: str, parts: SplitResult, headers: Mapping[str, str], content: bytes) -> bytes:
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    lines = [f"{method.upper()} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    named = dict(headers) | {"Content-Length": str(len(content))}
    for name, value in named.items():
        if "\r" in value or "\n" in value:
            raise ConnectionFailed("header_with_line_break")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content
