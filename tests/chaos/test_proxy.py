"""The proxy does what the faults say of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from deploy.local.ports import LOOPBACK
from tests.chaos.proxy import Proxy

DEADLINE_SECONDS = 10.0


@pytest.fixture(name="heard")
def _heard() -> list[bytes]:
    return []


@pytest.fixture(name="proxy")
async def _proxy(heard: list[bytes]) -> AsyncIterator[Proxy]:
    """Return a proxy before a server that hears lines and answers each with itself."""
    answering: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answering.add(task)
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                heard.append(line)
                writer.write(line)
        await _close(writer)

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    async with Proxy("echo") as proxy:
        proxy.upstream = server.sockets[0].getsockname()[1]
        yield proxy
    server.close()
    await asyncio.wait(answering)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _ask(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
    writer.write(b"hello\n")
    return reader, writer


async def test_it_passes_both_ways(proxy: Proxy) -> None:
    """Left alone, it changes nothing."""
    reader, writer = await _ask(proxy)
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert b"hello\n" == await reader.readline()

    await _close(writer)


async def test_a_cut_resets_connections(proxy: Proxy) -> None:
    """A cut ends what is open; a new connection passes."""
    reader, first = await _ask(proxy)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await reader.readline()
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await _read_to_the_end(reader)
        again, writer = await _ask(proxy)

        assert b"hello\n" == await again.readline()

    await _close(first)
    await _close(writer)


async def _read_to_the_end(reader: asyncio.StreamReader) -> None:
    # An end without a reset would be a polite close.
    if await reader.read() == b"":
        raise AssertionError("closed, not reset")


async def test_a_lost_answer_was_heard(proxy: Proxy, heard: list[bytes]) -> None:
    """The server has done its work, and the client does not hear of it."""
    proxy.loses_answers = True
    reader, writer = await _ask(proxy)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not heard:  # noqa: ASYNC110 - the server hears it
            await asyncio.sleep(0.01)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await _read_to_the_end(reader)

    assert [b"hello\n"] == heard
    await _close(writer)
