"""OpenAI's clients, both kinds, metered."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import httpx2
import openai
import pytest
from sdk.python.tests.wrapping.dual import settle
from sdk.python.tests.wrapping.wire import WireServer

import tallyroll
from tallyroll import Meter

Make = Callable[..., Any]


@pytest.fixture(name="is_async", params=[False, True], ids=["sync", "async"])
def _is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(name="make")
async def _make(provider: WireServer, is_async: bool) -> AsyncIterator[Make]:
    """Return a maker of plain clients at the local server."""
    made: list[Any] = []

    def make(**options: Any) -> Any:
        kind = openai.AsyncOpenAI if is_async else openai.OpenAI
        made.append(kind(**{"base_url": provider.url, "api_key": "k", "max_retries": 0, **options}))
        return made[-1]

    yield make
    for client in made:
        await settle(client.close())


@pytest.fixture(name="client")
def _client(make: Make, capturing: Meter) -> Any:
    return tallyroll.wrap(make(), capturing, provider="openai", agent="coder")


def to_the(server: WireServer, package: Any, *, is_async: bool) -> Any:
    """Return an HTTP client whose requests to any host arrive at this server.

    `package` is `httpx` or `httpx2`, whichever the SDK has.
    """
    port = server.port

    def turned(request: Any) -> Any:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
        return request

    if is_async:

        class Async(package.AsyncHTTPTransport):  # type: ignore[misc]
            async def handle_async_request(self, request: Any) -> Any:
                return await super().handle_async_request(turned(request))

        return package.AsyncClient(transport=Async())

    class Sync(package.HTTPTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return super().handle_request(turned(request))

    return package.Client(transport=Sync())


@pytest.fixture(name="mapped")
def _mapped(provider: WireServer, is_async: bool) -> Any:
    """Return an HTTP client for OpenAI's SDK that takes every host for the local server."""
    return to_the(provider, httpx2, is_async=is_async)


@pytest.fixture(name="mapped_httpx")
def _mapped_httpx(provider: WireServer, is_async: bool) -> Any:
    """Return the same for an SDK that has the older httpx."""
    return to_the(provider, httpx, is_async=is_async)
