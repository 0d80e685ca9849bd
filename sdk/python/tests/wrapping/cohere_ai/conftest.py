"""Cohere's own clients, metered, against a server that speaks their wire format."""

from collections.abc import AsyncIterator, Iterator

import cohere
import pytest
from sdk.python.tests.wrapping.wire import WireServer

import tallyroll
from tallyroll import Meter


@pytest.fixture(name="plain")
def _plain(provider: WireServer) -> Iterator[cohere.ClientV2]:
    with cohere.ClientV2("k", base_url=provider.url, max_retries=0) as client:
        yield client


@pytest.fixture(name="client")
def _client(plain: cohere.ClientV2, capturing: Meter) -> cohere.ClientV2:
    return tallyroll.wrap(plain, capturing, agent="coder")


@pytest.fixture(name="aclient")
async def _aclient(provider: WireServer, capturing: Meter) -> AsyncIterator[cohere.AsyncClientV2]:
    async with cohere.AsyncClientV2("k", base_url=provider.url, max_retries=0) as client:
        yield tallyroll.wrap(client, capturing, agent="coder")


@pytest.fixture(name="old")
def _old(provider: WireServer, capturing: Meter) -> Iterator[cohere.Client]:
    with cohere.Client("k", base_url=provider.url, max_retries=0) as client:
        yield tallyroll.wrap(client, capturing, agent="coder")


@pytest.fixture(name="aold")
async def _aold(provider: WireServer, capturing: Meter) -> AsyncIterator[cohere.AsyncClient]:
    async with cohere.AsyncClient("k", base_url=provider.url, max_retries=0) as client:
        yield tallyroll.wrap(client, capturing, agent="coder")
