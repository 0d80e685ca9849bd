"""Mistral's own client, metered, against a server that speaks its wire format."""

from collections.abc import AsyncIterator, Iterator

import pytest
from mistralai.client import Mistral
from sdk.python.tests.wrapping.wire import WireServer

import tallyroll
from tallyroll import Meter


@pytest.fixture(name="plain")
def _plain(provider: WireServer) -> Iterator[Mistral]:
    with Mistral(api_key="k", server_url=provider.url) as client:
        yield client


@pytest.fixture(name="client")
def _client(plain: Mistral, capturing: Meter) -> Mistral:
    return tallyroll.wrap(plain, capturing, agent="coder")


@pytest.fixture(name="aclient")
async def _aclient(provider: WireServer, capturing: Meter) -> AsyncIterator[Mistral]:
    async with Mistral(api_key="k", server_url=provider.url) as client:
        yield tallyroll.wrap(client, capturing, agent="coder")
