"""Anthropic's own clients, plain and metered, of the server on this machine."""

from collections.abc import AsyncIterator, Iterator

import anthropic
import pytest
from sdk.python.tests.wrapping.wire import WireServer

import tallyroll
from tallyroll import Meter


@pytest.fixture(name="plain")
def _plain(provider: WireServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture(name="plain_async")
async def _plain_async(provider: WireServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    client = anthropic.AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0)
    async with client:
        yield client


@pytest.fixture(name="client")
def _client(plain: anthropic.Anthropic, capturing: Meter) -> anthropic.Anthropic:
    return tallyroll.wrap(plain, capturing, agent="coder")


@pytest.fixture(name="async_client")
def _async_client(
    plain_async: anthropic.AsyncAnthropic, capturing: Meter
) -> anthropic.AsyncAnthropic:
    return tallyroll.wrap(plain_async, capturing, agent="coder")
