"""A small HTTP client for webhooks: POST over connections that stay open, only the status counts.

A general client costs more per delivery than the simulator needs for the request that caused it.
"""

import asyncio
import re
import ssl
from urllib.parse import SplitResult, urlsplit

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 1024 * 1024
TIMEOUT_SECONDS = 5.0
_NO_BODY = {204, 304}
_SUCCESS = range(200, 300)
_STATUS_LINE = re.compile(r"http/1\.[01] (\d{3})\b", re.ASCII)
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_BROKEN = (OSError, EOFError, ValueError, asyncio.LimitOverrunError)


class DeliveryClient:
    """Keeps idle connections by origin; closed at the end."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str], list[_Connection]] = {}

    async def post(self, url: str, content: bytes, headers: dict[str, str]) -> bool:
        """Say whether the receiver answered 2xx within five seconds."""
        try:
            parts = urlsplit(url)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._post(parts, _request(parts, content, headers)) in _SUCCESS
        except (TimeoutError, *_BROKEN):
            return False

    async def _post(self, parts: SplitResult, request: bytes) -> int:
        """Send over an idle connection, and once more over a new one if that was closed."""
        idle = self._idle.setdefault((parts.scheme, parts.netloc), [])
        if idle:
            try:
                return await self._exchange(idle.pop(), request, idle)
            except _BROKEN:
                pass  # it was closed meanwhile; a receiver bears a second delivery
        return await self._exchange(await _opened(parts), request, idle)

    @staticmethod
    async def _exchange(connection: _Connection, request: bytes, idle: list[_Connection]) -> int:
        reader, writer = connection
        status, reusable = 0, False
        try:
            writer.write(request)
            await writer.drain()
            status, reusable = await _answer(reader)
        finally:
            if reusable:
                idle.append(connection)
            else:
                writer.close()
        return status

    def close(self) -> None:
        for connections in self._idle.values():
            for _, writer in connections:
                writer.close()
        self._idle.clear()


async def _opened(parts: SplitResult) -> _Connection:
    secure = parts.scheme == "https"
    return await asyncio.open_connection(
        parts.hostname,
        parts.port or (443 if secure else 80),
        ssl=ssl.create_default_context() if secure else None,
        limit=HEAD_BYTES_MAX,
    )


def _request(parts: SplitResult, content: bytes, headers: dict[str, str]) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    named = {"Host": parts.netloc, "Content-Length": str(len(content)), **headers}
    rows = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{rows}\r\n".encode("ascii") + content


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Return the status, and whether the connection can be used again."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    line = _STATUS_LINE.match(head[0])
    if line is None:
        raise ValueError("no HTTP answer")
    status = int(line[1])
    fields = {name: value.strip() for name, _, value in (row.partition(":") for row in head[1:])}
    length = fields.get("content-length", "0" if status in _NO_BODY else "")
    if not length.isdigit() or int(length) > BODY_BYTES_MAX:
        return status, False  # a body without a length: the connection ends with it
    await reader.readexactly(int(length))
    return status, fields.get("connection") != "close"
