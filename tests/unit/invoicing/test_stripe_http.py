"""The HTTP client for Stripe: whole answers, connections that stay open, failures that are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop

from services.invoicing.stripe_http import ConnectionFailed, ThrottledHttp

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRequest-Id: req_1\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
MOVED = b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{}"


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve one answer a request, over all connections; yield the address and their count.

    A cut answer ends its connection, an empty one never comes.
    """
    left, opened = list(answers), [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened[0] += 1
        while left and await reader.readuntil(b"\r\n\r\n"):
            answer = left.pop(0)
            writer.write(answer)
            if answer == CUT:
                break
        if not answers[-1]:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/invoices", opened


def connection() -> ThrottledHttp:
    return ThrottledHttp(None, timeout_seconds=0.5)


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED])
async def test_answers_are_whole_and_share_a_connection(answer: bytes) -> None:
    """Two requests, one connection, whichever way the body is delimited."""
    http = connection()
    async with answering(answer, answer) as (url, opened):
        bodies = [(await http.request("get", url, {}))[0] for _ in range(2)]
        await http.close()

    assert [b"{}", b"{}"] == bodies
    assert [1] == opened


def test_the_loop_of_the_service_will_do() -> None:
    """The service runs on uvloop."""

    async def ask() -> int:
        http = connection()
        async with answering(PLAIN) as (url, _):
            _, status, headers = await http.request("get", url, {})
            await http.close()
        assert "req_1" == headers["request-id"]
        return status

    assert 200 == uvloop.run(ask())


@pytest.mark.parametrize("answer", [CUT, b""])
async def test_half_an_answer_and_none_are_failures(answer: bytes) -> None:
    """A connection that breaks in the body, or stays silent, never gives an answer."""
    http = connection()
    async with answering(answer) as (url, _):
        with pytest.raises(ConnectionFailed):
            await http.request("post", url, {}, "a=1")
        await http.close()


async def test_redirects_are_not_followed() -> None:
    """The key is not carried to another address."""
    http = connection()
    async with answering(MOVED, PLAIN) as (url, opened):
        _, status, _ = await http.request("get", url, {})
        await http.close()
    assert 307 == status
    assert [1] == opened


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request goes to the proxy that the environment names, unless it names the host too."""
    async with answering(PLAIN, PLAIN) as (url, opened):
        monkeypatch.setenv("http_proxy", url.removesuffix("/v1/invoices"))
        for bypass, reached in (("", True), ("stripe.test", False)):
            monkeypatch.setenv("no_proxy", bypass)
            http = connection()
            try:
                await http.request("get", "http://stripe.test/v1/invoices", {})
            except ConnectionFailed:
                assert not reached
            else:
                assert reached
            await http.close()

    assert [1] == opened
