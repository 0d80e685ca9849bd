"""A TCP proxy that can delay, cut, and lose answers of what passes through it."""

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Self

from deploy.local.ports import LOOPBACK, free_ports

CHUNK_BYTES = 64 * 1024
_NO_LINGERING = struct.pack("ii", 1, 0)


class Proxy:
    """Passes connections from `port` to `upstream`, both on loopback. An async context manager.

    While `delay_seconds` is positive every chunk waits so long, in both directions; while
    `loses_answers`, what the server sends is dropped: it has done its work, nobody hears of it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.upstream = 0
        self.delay_seconds = 0.0
        self.loses_answers = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        (self.port,) = free_ports(1)
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        while self._connections:
            await asyncio.wait(self._connections)

    def cut(self) -> None:
        """Reset every connection; new ones pass."""
        for writer in list(self._writers):
            # Without lingering the close is a reset, where a polite one would say "complete".
            # One that the other side has ended already cannot be told any more.
            with contextlib.suppress(OSError):
                own = writer.get_extra_info("socket")
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
            writer.transport.abort()

    def calm(self) -> None:
        """Pass everything at once again."""
        self.delay_seconds = 0.0
        self.loses_answers = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        self._writers.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self.upstream)
        except OSError:
            self._writers.discard(writer)
            writer.transport.abort()
            return
        self._writers.add(server_writer)
        pumps = [
            asyncio.create_task(self._pump(reader, server_writer, is_answer=False)),
            asyncio.create_task(self._pump(server_reader, writer, is_answer=True)),
        ]
        try:
            # One side that has ended ends the other: no client here closes half a connection.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for own in (writer, server_writer):
                self._writers.discard(own)
                own.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if self.delay_seconds > 0:
                    await asyncio.sleep(self.delay_seconds)
                if is_answer and self.loses_answers:
                    continue
                writer.write(chunk)
                await writer.drain()
