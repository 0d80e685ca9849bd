"""An HTTP client for measuring: one connection, a request at a time, next to no work."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

STATUS_AT = slice(9, 12)


class OneConnection:
    """What is measured is the server's time, not that of a client that can do everything."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str
    ) -> None:
        self._reader, self._writer = reader, writer
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int, key: str) -> "AsyncIterator[OneConnection]":
        """Open a connection to a port of this machine until the block ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer, key)
        finally:
            writer.close()
            await writer.wait_closed()

    async def call(self, method: str, path: str, body: Any) -> Any:
        """Return the answer's JSON; raises for a status that is no success."""
        sent = b"" if body is None else json.dumps(body).encode()
        kind = "" if body is None else "Content-Type: application/json\r\n"
        head = f"{method} {path} HTTP/1.1\r\n{self._head}{kind}Content-Length: {len(sent)}\r\n\r\n"
        self._writer.write(head.encode() + sent)
        answered = await self._reader.readuntil(b"\r\n\r\n")
        _, _, rest = answered.lower().partition(b"content-length: ")
        content = await self._reader.readexactly(int(rest.partition(b"\r")[0]))
        if not answered[STATUS_AT].startswith(b"2"):
            raise RuntimeError(f"{method} {path}: {content.decode()}")
        return json.loads(content)
